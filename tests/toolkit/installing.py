"""A real pip in a real environment, without a network, and the installer of ours that runs it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

INSTALLER = """
import json, os, sys
from pathlib import Path
from mlberth.code.install import Installs, install
from mlberth.envvars import Reader
from mlberth.errors import MlberthError
from mlberth.process.signals import SignalQueue
with SignalQueue() as signals:
    try:
        installs = Installs.read(Reader(os.environ))
        stopped = install(
            Path(sys.argv[1]), installs, python=sys.argv[2], environ=os.environ, signals=signals
        )
        print(json.dumps({"stopped": stopped}))
    except MlberthError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code}))
"""


def wheel(folder: Path, name: str) -> Path:
    """Write a wheel that holds one module of its name."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "VALUE = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(path, "w") as file:
        for member, text in files.items():
            file.writestr(member, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{member},sha256={digest},{len(text)}\n"
        file.writestr(f"{info}/RECORD", record)
    return path


def start(code: Path, python: str, **environ: str) -> subprocess.Popen[bytes]:
    """Start the install of what a folder asks for."""
    argv = [sys.executable, "-c", INSTALLER, str(code), python]
    env = {**os.environ, "PIP_NO_INDEX": "1", **environ}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result(installer: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
    """Return how an install ended, and all that was said."""
    out, err = installer.communicate(timeout=120)
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer, (out + err).decode()
