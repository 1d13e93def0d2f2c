"""The peers' virtual environments, installed on demand."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bench.server import Server

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".venvs"
_SECONDS = 900


class MissingError(Exception):
    """A server cannot run here; the message says why."""


def requirements(environment: str) -> Path:
    """Return the file that pins what an environment holds."""
    return HERE / "peers" / f"{environment}.txt"


def interpreter(server: Server) -> Path:
    """Return the Python that a server runs in, installed first if need be; raises MissingError."""
    for command in server.needs:
        if not shutil.which(command):
            raise MissingError(f"there is no `{command}` on PATH")
    if server.environment is None:
        return Path(sys.executable)
    return install(server.environment)


def install(environment: str) -> Path:
    """Return the Python of an environment, made first if it is not as its file says; raises MissingError."""
    folder, file = CACHE / environment, requirements(environment)
    python, stamp = folder / "bin/python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != file.read_text():
        print(f"installing {environment} …", flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--requirement", str(file)])
        stamp.write_text(file.read_text())
    return python


def versions(server: Server, python: Path) -> dict[str, str]:
    """Return the versions of what a server is made of."""
    program = (
        "import sys\nfrom importlib.metadata import version\n[print(version(one)) for one in sys.argv[1:]]"
    )
    done = subprocess.run(
        [str(python), "-c", program, *server.packages],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(zip(server.packages, done.stdout.split(), strict=True))


def _run(argv: list[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise MissingError(f"its installation took longer than {_SECONDS} s") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise MissingError((errors or done.stderr.strip().splitlines() or ["pip failed"])[-1][:200])
