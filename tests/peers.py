"""Virtual environments of packages that cannot be installed beside us, or beside each other."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from uv import find_uv_bin

FOLDER = Path(__file__).parents[1] / ".venvs"
SDK_V2 = "sagemaker==2.257.7"
SDK_V3 = "sagemaker-train==1.27.0"
"""Of SDK 3.27.0 the package that trains: the others bring gigabytes that no test touches."""


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


def offline_environ(home: Path) -> dict[str, str]:
    """Return variables with which a client asks no service for its credentials, region and settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _install(python: str, requirement: str) -> None:
    """Install a package with uv, in seconds; with pip where uv does not find what pip is told of."""
    uv = [find_uv_bin(), "pip", "install", "--quiet", "--system-certs", "--python", python, requirement]
    if subprocess.run(uv, check=False, timeout=900).returncode:
        subprocess.run([python, "-m", "pip", "install", "--quiet", requirement], check=True, timeout=900)
