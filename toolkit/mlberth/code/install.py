"""Requirements and packages of the user's code, installed before it runs."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlberth._typing import NamedTuple
from mlberth.envvars import BOOLEAN, OPTIONAL_TEXT, Reader, Variable
from mlberth.errors import DependencyError, Fault, PlatformError
from mlberth.masking import masked_output, secret_values
from mlberth.paths import is_file, is_folder
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import Outcome, supervise

ALLOWED = Variable(
    "SAGEMAKER_ALLOW_INSTALL",
    BOOLEAN,
    True,
    "Whether a job may install anything; with false a job that asks for it fails.",
)
SAFE = Variable(
    "SAGEMAKER_SAFE_REQUIREMENTS",
    BOOLEAN,
    False,
    "Install only from the index: names, versions and hashes in requirements.txt, no URL, path, repository "
    "or index; no wheelhouse, setup.py, build system or uv.lock.",
)
CONSTRAINTS = Variable(
    "SAGEMAKER_PIP_CONSTRAINTS",
    OPTIONAL_TEXT,
    None,
    "A constraints file that no install may break, such as one that protects the image's framework; "
    "empty for none.",
    default_text="constraints.txt in the root of Python's environment, as in the images",
    takes_empty=True,
)
CODEARTIFACT = Variable(
    "CA_REPOSITORY_ARN",
    OPTIONAL_TEXT,
    None,
    "The AWS CodeArtifact repository that pip installs from (extra `aws`).",
    default_text="pip's own index",
)

REQUIREMENTS = "requirements.txt"
WHEELHOUSE = "wheelhouse"
LOCK = "uv.lock"
PROJECT = "pyproject.toml"
_BUILD_SYSTEM = r"(?m)^[ \t]*\[[ \t]*build-system[ \t]*\]"  # text, which `re` compiles when it is needed
_STDERR = 2
_GRACE_SECONDS = 3.0
# pip says nothing that concerns a job with these; the user's own settings win.
_QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


class Installs(NamedTuple):
    """What a job may install, and from where."""

    allowed: bool
    safe: bool
    constraints: Path | None
    codeartifact: str | None
    """The ARN of a repository."""

    @classmethod
    def read(cls, reader: Reader) -> Installs:
        """Read the settings; their faults are the reader's to raise."""
        named = reader.get(CONSTRAINTS)
        default = Path(sys.prefix, "constraints.txt")
        return cls(
            allowed=reader.get(ALLOWED),
            safe=reader.get(SAFE),
            constraints=Path(named) if named else default if named is None and is_file(default) else None,
            codeartifact=reader.get(CODEARTIFACT) or None,
        )


def install(
    code: Path,
    installs: Installs,
    *,
    python: str,
    environ: Mapping[str, str],
    signals: SignalQueue,
    package_needed: bool = True,
    more: Sequence[str] = (),
    warn: Callable[[str], object] = lambda _: None,
    sink: int = _STDERR,
    target: Path | None = None,
) -> signal.Signals | None:
    """Install what the code in a folder asks for; quietly nothing if it asks for nothing.

    Returns the stop signal that arrived meanwhile, if one did: the caller then ends. The installer's output
    is streamed to the descriptor `sink`. Call it before any other child is started: it ends with nothing
    left below this process. A pyproject.toml that cannot be built is a warning, unless its package is
    needed: what it depends on is installed all the same. `more` are other requirements files of the folder.
    With a `target` all of it goes into that folder, whatever is installed; uv.lock is not read then.
    Raises DependencyError with the installer's last lines.
    """
    argv = install_command(python, code, installs, more, target)
    if not argv:
        return None
    _check(code, installs, argv, (REQUIREMENTS, *more), environ)
    outcome: Outcome | None = _run(argv, code, installs, environ, signals, sink=sink)
    if outcome and _failed(outcome) and not package_needed and "." in argv and not is_file(code / "setup.py"):
        from mlberth.code.pip_errors import reason
        from mlberth.code.pyproject import dependencies

        known, unknown = dependencies(code / PROJECT)
        said = reason(_output(outcome, environ))
        rest = f"; not installed: {', '.join(unknown)}" if unknown else ""
        warn(f"{PROJECT} in {code} cannot be built ({said}): its code runs from the folder as it is{rest}")
        argv = _pip(python, code, installs, [*_requirements(code, installs, more), *known], target)
        outcome = _run(argv, code, installs, environ, signals, sink=sink) if argv else None
    if outcome and _failed(outcome):
        from mlberth.code.pip_errors import hint, reason

        output = _output(outcome, environ)
        found = f"exit code {outcome.exit_code} in {code}: {reason(output)}"
        action = hint(output, installs.constraints, CONSTRAINTS.name)
        raise DependencyError(Fault(_shown(argv or []), found, "", action))
    return outcome.stopped_by if outcome else None


def _run(
    argv: Sequence[str],
    code: Path,
    installs: Installs,
    environ: Mapping[str, str],
    signals: SignalQueue,
    *,
    sink: int,
) -> Outcome:
    env = _QUIET | {"UV_PROJECT_ENVIRONMENT": sys.prefix} | dict(environ) | _index(installs)
    folder = code
    if installs.safe:
        # pip takes modules and archives from the folder that it starts in, and text as the locale has it.
        folder, env = Path("/"), env | {"PYTHONUTF8": "1"}
    try:
        return supervise(
            argv, env=env, cwd=folder, signals=signals, grace=_GRACE_SECONDS, stderr=sink, merge=True
        )
    except OSError as error:
        raise PlatformError(Fault(argv[0], error.strerror or str(error), "a program that starts")) from error


def _failed(outcome: Outcome) -> bool:
    return outcome.stopped_by is None and outcome.returncode != 0


def _output(outcome: Outcome, environ: Mapping[str, str]) -> str:
    return masked_output(outcome.stderr, outcome.cuts, secret_values(environ))


# requirements.txt that names anything: pip. setup.py, or pyproject.toml with a build: pip, in one command
# with the requirements. uv.lock and no requirements.txt: uv sync. With a folder `wheelhouse` beside them
# pip looks there, and nowhere else.
def install_command(
    python: str, code: Path, installs: Installs, more: Sequence[str] = (), target: Path | None = None
) -> list[str] | None:
    """Return the command that installs what a folder asks for; None if it asks for nothing."""
    requirements = _requirements(code, installs, more)
    if not requirements and not target and is_file(code / LOCK):
        # Inexact: what the image brought stays.
        return ["uv", "sync", "--locked", "--inexact", "--no-dev"]
    return _pip(python, code, installs, [*(["."] if is_package(code) else []), *requirements], target)


def _requirements(code: Path, installs: Installs, more: Sequence[str]) -> list[str]:
    names = [name for name in (REQUIREMENTS, *more) if _asks_for_something(code / name)]
    shown = [str((code / name).absolute()) if installs.safe else name for name in names]
    return [word for name in shown for word in ("-r", name)]


def _pip(
    python: str, code: Path, installs: Installs, what: Sequence[str], target: Path | None
) -> list[str] | None:
    if not what:
        return None
    options = ["--no-index", "--find-links", WHEELHOUSE] if is_folder(code / WHEELHOUSE) else []
    options += ["-c", str(installs.constraints.absolute())] if installs.constraints else []
    options += ["--target", str(target)] if target else []
    return [python, "-m", "pip", "install", *options, *what]


def is_package(code: Path) -> bool:
    """Return whether a folder can be installed: by its setup.py, or a pyproject.toml with a build system."""
    if is_file(code / "setup.py"):
        return True
    project = _text(code / PROJECT)
    return "build-system" in project and bool(re.search(_BUILD_SYSTEM, project))


def _check(
    code: Path, installs: Installs, argv: list[str], named: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Raise DependencyError for an install that may not, or cannot, be tried."""
    if not installs.allowed:
        action = f"Install it in the image and take it out of {code}, or unset {ALLOWED.name}."
        raise DependencyError(Fault(ALLOWED.name, f"false, and {_shown(argv)} to run", "no install", action))
    if installs.safe:
        from mlberth.code.safe_requirements import check_requirements

        others = [
            *([WHEELHOUSE] if is_folder(code / WHEELHOUSE) else []),
            *(["setup.py, or pyproject.toml with a build system"] if "." in argv else []),
            *([LOCK] if argv[0] == "uv" else []),
        ]
        if others:
            action = f"Name packages of the index in {REQUIREMENTS}, or unset {SAFE.name}."
            found = f"true, and {', '.join(others)} in {code}"
            raise DependencyError(Fault(SAFE.name, found, f"{REQUIREMENTS} alone", action))
        for name in named:
            check_requirements(code / name, code)
    if argv[0] == "uv":
        from mlberth.process.pid1 import find

        if not find("uv", os.get_exec_path(environ)):
            action = f"Install uv in the image, or bring {REQUIREMENTS}: uv export -o {REQUIREMENTS}"
            raise DependencyError(Fault(LOCK, "no uv in this image", "uv on PATH", action))


def _index(installs: Installs) -> dict[str, str]:
    """Return the variables that make pip use the job's CodeArtifact repository."""
    if not installs.codeartifact:
        return {}
    from mlberth.code.codeartifact import index_url

    # A variable, because other processes can read an argument.
    return {"PIP_INDEX_URL": index_url(installs.codeartifact, where=CODEARTIFACT.name)}


def _shown(argv: list[str]) -> str:
    return " ".join(argv if argv[0] == "uv" else argv[2:])


def _asks_for_something(requirements: Path) -> bool:
    lines = _text(requirements).splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace") if is_file(path) else ""
