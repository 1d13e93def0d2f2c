"""What the user's code needs, installed with pip before it runs."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlberth.errors import DependencyError, Fault, PlatformError
from mlberth.masking import masked_text, secret_values
from mlberth.signals import SignalQueue
from mlberth.supervise import supervise

REQUIREMENTS = "requirements.txt"
_BUILD_SYSTEM = re.compile(r"^\s*\[\s*build-system\s*\]", re.MULTILINE)
_GRACE_SECONDS = 3.0
_LAST_LINES = 8
# pip says nothing that concerns a job with these; the user's own settings win.
_QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def install(
    code: Path, *, python: str, environ: Mapping[str, str], signals: SignalQueue
) -> signal.Signals | None:
    """Install what the code in a folder asks for; quietly nothing where it asks for nothing.

    Returns the stop signal that arrived meanwhile, if one did: the caller then ends. pip's output is
    streamed. Call it before any other child is started: it ends with nothing left below this process.
    Raises DependencyError with pip's last lines.
    """
    argv = install_command(python, code)
    if not argv:
        return None
    try:
        outcome = supervise(argv, env=_QUIET | dict(environ), cwd=code, signals=signals, grace=_GRACE_SECONDS)
    except OSError as error:
        raise PlatformError(Fault(python, error.strerror or str(error), "a Python that starts")) from error
    if outcome.stopped_by is None and outcome.returncode != 0:
        said = _last_lines(outcome.stderr, secret_values(environ)) or "it said nothing"
        action = f"Mend what it names; it ran in {code}."
        raise DependencyError(
            Fault(" ".join(argv[1:]), f"exit code {outcome.exit_code} ({said})", "0", action)
        )
    return outcome.stopped_by


def install_command(python: str, code: Path) -> list[str] | None:
    """Return the pip command that installs the package in a folder and its requirements.txt.

    None where there is neither: no setup.py, no pyproject.toml with a build system, and no
    requirements.txt that names anything.
    """
    package = ["."] if is_package(code) else []
    requirements = ["-r", REQUIREMENTS] if _asks_for_something(code / REQUIREMENTS) else []
    if not package and not requirements:
        return None
    return [python, "-m", "pip", "install", *package, *requirements]


def is_package(code: Path) -> bool:
    """Tell whether a folder can be installed: by its setup.py, or a pyproject.toml with a build system."""
    return (code / "setup.py").is_file() or bool(_BUILD_SYSTEM.search(_text(code / "pyproject.toml")))


def _asks_for_something(requirements: Path) -> bool:
    lines = _text(requirements).splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""


def _last_lines(stderr: bytes, secrets: Iterable[str]) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return masked_text(" / ".join(errors[-_LAST_LINES:]), secrets)
