"""What the user's code needs, installed by a real pip into a real environment, without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.support import wait_until

from mlberth.dependencies import install_command, is_package

INSTALLER = """
import json, os, sys
from pathlib import Path
from mlberth.dependencies import install
from mlberth.errors import MlberthError
from mlberth.signals import SignalQueue
with SignalQueue() as signals:
    try:
        stopped = install(Path(sys.argv[1]), python=sys.argv[2], environ=os.environ, signals=signals)
        print(json.dumps({"stopped": stopped}))
    except MlberthError as error:
        print(json.dumps({"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code}))
"""


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, None),
        ({"requirements.txt": ""}, None),
        ({"requirements.txt": "# one day\n\n   # another\n"}, None),
        ({"requirements.txt": "\ufeffnumpy\r\n"}, ["-r", "requirements.txt"]),
        ({"requirements.txt": "$(id); echo pwned\n"}, ["-r", "requirements.txt"]),
        ({"setup.py": ""}, ["."]),
        ({"setup.py": "", "requirements.txt": "a"}, [".", "-r", "requirements.txt"]),
        ({"pyproject.toml": "[tool.ruff]\n"}, None),
        ({"pyproject.toml": "[build-system]\nrequires=[]\n"}, ["."]),
    ],
)
def test_command_follows_from_the_files(
    tmp_path: Path, files: dict[str, str], command: list[str] | None
) -> None:
    """A package and a requirements.txt that names anything are installed in one pip command."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    expected = command and ["python", "-m", "pip", "install", *command]
    assert install_command("python", tmp_path) == expected
    assert is_package(tmp_path) == (command is not None and "." in command)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of a fresh virtual environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    return str(folder / "bin/python")


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
    argv = [sys.executable, "-c", INSTALLER, str(code), python]
    env = {**os.environ, "PIP_NO_INDEX": "1", **environ}
    return subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result(installer: subprocess.Popen[bytes]) -> tuple[dict[str, Any], str]:
    out, err = installer.communicate(timeout=120)
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer, (out + err).decode()


def test_requirements_are_installed_and_output_is_streamed(tmp_path: Path, python: str) -> None:
    """After the install the module can be imported, and pip's own words have been seen."""
    wheel(tmp_path, "mlberth_probe")
    (tmp_path / "requirements.txt").write_text(f"--find-links {tmp_path}\nmlberth_probe==1.0\n")
    answer, said = result(start(tmp_path, python))
    assert answer == {"stopped": None}
    assert "Successfully installed mlberth_probe-1.0" in said.replace("-probe", "_probe")
    subprocess.run([python, "-c", "import mlberth_probe; assert mlberth_probe.VALUE == 42"], check=True)


@pytest.mark.parametrize(
    "requirement",
    ["no-such-package-mlberth", "pkg; echo pwned", "$(id)", "-r other.txt", "-x", "/no/such.whl"],
)
def test_failure_is_typed_and_ends_in_pips_words(tmp_path: Path, python: str, requirement: str) -> None:
    """What pip refuses gives a DependencyError with pip's reason, and no line reaches a shell."""
    (tmp_path / "requirements.txt").write_text(requirement + "\n")
    answer, said = result(start(tmp_path, python))
    assert (answer["kind"], answer["exit_code"]) == ("DependencyError", 69)
    assert "pip install -r requirements.txt" in answer["error"]
    assert "ERROR" in answer["error"] or "error: " in answer["error"]
    assert "uid=" not in said


def test_secrets_of_the_environment_are_not_in_the_error(tmp_path: Path, python: str) -> None:
    """A token that pip repeats in its error is masked in ours."""
    (tmp_path / "requirements.txt").write_text("./${INDEX_TOKEN}.whl\n")
    answer, _ = result(start(tmp_path, python, INDEX_TOKEN="canary-7f3a"))
    assert "canary-7f3a" not in answer["error"]
    assert "***" in answer["error"]


def test_stop_signal_ends_an_install(tmp_path: Path, python: str) -> None:
    """A stop during a slow build ends pip at once, and the caller learns of it."""
    (tmp_path / "setup.py").write_text("")
    (tmp_path / "backend.py").write_text(
        "import pathlib, signal\n"
        "def get_requires_for_build_wheel(settings=None):\n"
        f"    pathlib.Path({str(tmp_path / 'started')!r}).touch()\n"
        "    while True: signal.pause()\n"
    )
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    installer = start(tmp_path, python)
    wait_until((tmp_path / "started").exists, timeout=60)
    installer.send_signal(signal.SIGTERM)
    answer, _ = result(installer)
    assert answer == {"stopped": signal.SIGTERM}
