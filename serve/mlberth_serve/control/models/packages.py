"""The packages that a model's own requirements ask for: installed into a folder of their own, once.

Models with the same requirements share it. What the image has already, in a version that will do, is not
installed, so that most models can be forked from a process that has imported it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mlberth import logs
from mlberth.code.install import LOCK, REQUIREMENTS, install, install_command, is_package
from mlberth.errors import DependencyError, Fault
from mlberth.masking import secret_values
from mlberth.paths import is_file, is_folder
from mlberth.process.children import exit_code
from mlberth.process.signals import SignalQueue
from mlberth_serve.control.commands import python_command
from mlberth_serve.control.install_code import INSTALLER, MORE, find_requirements
from mlberth_serve.settings import Settings
from mlberth_serve.shared import failure_report
from mlberth_serve.shared.run_directory import GenerationDirectory

WHEELHOUSE = "wheelhouse"
_PLAIN = frozenset("/\\:@")
"""What a line holds that names a path, a URL or a file beside the requirements."""

log = logging.getLogger(__name__)


def find_packages(settings: Settings, folder: Path) -> Path | None:
    """Return where a model's packages are to be, below a folder; None if it needs none of its own.

    Raises ContractError or ModelLoadError if a program is not where a variable says, DependencyError for
    a lock that pip cannot read.
    """
    code = find_requirements(settings)
    if (
        code is None
        or code == settings.layout.code
        or install_command("", code, settings.installs, MORE) is None
    ):
        return None
    if is_file(code / LOCK) and not is_file(code / REQUIREMENTS):
        # `uv sync` installs into an environment, and all models have the image's.
        action = f"Bring {REQUIREMENTS} with the model: uv export -o {REQUIREMENTS}"
        raise DependencyError(Fault(LOCK, f"no {REQUIREMENTS} beside it", REQUIREMENTS, action))
    texts = [
        path.read_text(errors="replace") for name in (REQUIREMENTS, *MORE) if is_file(path := code / name)
    ]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    own = is_package(code) or is_folder(code / WHEELHOUSE)
    if not own and all(_is_installed(line) for line in lines):
        return None
    key: list[object] = [sys.version, lines, str(settings.installs.constraints)]
    if own or any(line.startswith("-") or not _PLAIN.isdisjoint(line) for line in lines):
        key += [str(code), _listing(code)]
    return folder / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def packages_argv(folder: GenerationDirectory, target: Path) -> list[str]:
    """Return the command that installs a model's packages into a folder that is not there yet."""
    module = "mlberth_serve.control.models.packages"
    return python_command(module, "main", str(folder.path), str(target))


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Install what the model of this environment asks for; returns the exit code."""
    folder, target = GenerationDirectory(Path(argv[0])), Path(argv[1])
    try:
        settings = Settings.from_environ(environ)
        logs.configure(
            settings.log_level,
            form=settings.log_format,
            more=(INSTALLER,),
            droppable=True,
            secrets=secret_values(environ),
        )
        code = find_requirements(settings)
        staged = target.with_name(f".{target.name}.{os.getpid()}")
        if code is None:
            return 0
        with SignalQueue() as signals:
            stopped_by = install(
                code,
                settings.installs,
                python=sys.executable,
                environ=environ,
                signals=signals,
                package_needed=False,
                more=MORE,
                warn=log.warning,
                target=staged,
            )
        if stopped_by:
            return exit_code(-stopped_by)
        staged.mkdir(exist_ok=True)
        if not target.exists():  # else another model with the same requirements was faster
            staged.rename(target)
    except Exception as error:  # noqa: BLE001 - whatever it is, the manager must hear of it
        return failure_report.record(folder.failure, error, secret_values(environ)).exit_code
    return 0


def _is_installed(line: str) -> bool:
    """Return whether a line of requirements names what this environment has; False if that is not sure."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        needed = Requirement(line.partition(" #")[0])
        if needed.url or needed.extras:
            return False
        if needed.marker and not needed.marker.evaluate():
            return True
        return needed.specifier.contains(metadata.version(needed.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError, ValueError):
        return False


def _listing(code: Path) -> list[tuple[str, int]]:
    """Return what tells that files of the code have changed."""
    paths = (Path(parent, name) for parent, _, names in os.walk(code) for name in names)
    return sorted((str(path.relative_to(code)), path.lstat().st_mtime_ns) for path in paths)
