"""The plan of `serve` in words, without doing any of it."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from mlberth.masking import masked
from mlberth_serve.control.commands import gunicorn_argv, gunicorn_environment, gunicorn_settings
from mlberth_serve.control.install_code import needs_preparation, preparation_argv, prepared_environment
from mlberth_serve.control.nginx.config import STATIC_CONF, nginx_argv, render
from mlberth_serve.control.preflight import find_nginx
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory


def explain(environ: Mapping[str, str]) -> str:
    """Return the settings, the commands and the rendered files as text, secrets masked.

    Raises ContractError for faulty settings, as serving itself would.
    """
    settings = Settings.from_environ(environ)
    run = RunDirectory(Path("/tmp/mlberth-serve-XXXXXXXX"))  # noqa: S108 - a name to show; nothing is made
    folder = run.generation(1)
    nginx = find_nginx(settings, environ)
    shown = vars(settings) | {
        "layout": settings.layout._asdict(),
        "installs": settings.installs._asdict(),
        "tls": dataclasses.asdict(settings.tls) if settings.tls else None,
    }
    sections = [("Settings", _lines(shown))]
    if nginx:
        conf = settings.nginx_conf or STATIC_CONF
        sections.append((f"nginx, in {run.path}", f"{shlex.join(nginx_argv(nginx, run))}\n"))
        sections.append((str(run.nginx_conf), f"a link to {conf}\n"))
        rendered = render(settings, as_root=os.geteuid() == 0)
        sections += [(str(run.path / name), text) for name, text in rendered.items()]
    if needs_preparation(settings):
        sections.append(("preparation, before gunicorn", f"{shlex.join(preparation_argv(folder))}\n"))
    environment = gunicorn_environment(prepared_environment(environ, settings, folder))
    added = {name: value for name, value in environment.items() if environ.get(name) != value}
    sections += [
        ("gunicorn", f"{shlex.join(gunicorn_argv(folder))}\n"),
        ("gunicorn's settings", _lines(gunicorn_settings(settings, folder, behind_nginx=nginx is not None))),
        ("gunicorn's environment, beside ours", _lines(added)),
    ]
    return "\n".join(f"# {title}\n{text}" for title, text in sections)


def _lines(fields: Mapping[str, object]) -> str:
    return "".join(
        f"{name} = {json.dumps(masked(name, value), default=str)}\n" for name, value in fields.items()
    )
