"""The plan of `serve` in words, without doing any of it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlberth.contract.layout import BASE_DIR
from mlberth.envvars import Reader, is_set
from mlberth.masking import masked
from mlberth_serve.control.commands import gunicorn_argv, gunicorn_environment, gunicorn_settings
from mlberth_serve.control.install_code import needs_preparation, preparation_argv, prepared_environment
from mlberth_serve.control.nginx.config import STATIC_CONF, nginx_argv, render
from mlberth_serve.control.preflight import find_nginx
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory
from mlberth_serve.variables import ALL


def explain(environ: Mapping[str, str], served: Sequence[str]) -> str:
    """Return what is served, the variables, the commands and the rendered files as text, secrets masked.

    Raises ContractError for faulty settings, as serving itself would.
    """
    settings = Settings.from_environ(environ)
    run = RunDirectory(Path("/tmp/mlberth-serve-XXXXXXXX"))  # noqa: S108 - a name to show; nothing is made
    folder = run.generation(1)
    nginx = find_nginx(settings, environ)
    sections = [
        ("Served", "".join(f"{line}\n" for line in served)),
        ("Variables", _variables(environ, settings)),
    ]
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


def _variables(environ: Mapping[str, str], settings: Settings) -> str:
    """Return each variable with its value, and the name that has set it."""
    reader = Reader(environ)
    lines = [f"{BASE_DIR} = {settings.layout.base}{'' if is_set(environ, BASE_DIR) else ' (default)'}\n"]
    for variable in ALL:
        value, name = reader.get(variable), reader.source(variable)
        text = _in_words(masked(variable.name, value))
        if value is None:
            text = variable.default_text or "none"
        origin = "" if name == variable.name else f" ({name or 'default'})"
        lines.append(f"{variable.name} = {text}{origin}\n")
    return "".join(lines)


def _in_words(value: object) -> str:
    """Return a value as it is written in a variable."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _lines(fields: Mapping[str, object]) -> str:
    return "".join(
        f"{name} = {json.dumps(masked(name, value), default=str)}\n" for name, value in fields.items()
    )
