"""Virtual environments of packages that cannot be installed beside us."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from uv import find_uv_bin

FOLDER = Path(__file__).parents[1] / ".venvs"


@cache
def python_with(requirement: str) -> str:
    """Return the interpreter that has a package; makes its environment the first time."""
    folder = FOLDER / requirement.replace("==", "-")
    python = str(folder / "bin/python")
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=120)
        _install(python, requirement)
        (folder / "done").touch()
    return python


def _install(python: str, requirement: str) -> None:
    """Install a package with uv, in seconds; with pip where uv does not find what pip is told of."""
    uv = [find_uv_bin(), "pip", "install", "--quiet", "--system-certs", "--python", python, requirement]
    if subprocess.run(uv, check=False, timeout=900).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], check=True, timeout=900)
