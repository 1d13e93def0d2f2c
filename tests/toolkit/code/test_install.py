"""What the user's code needs, installed by a real pip into a real environment, without a network."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.support import wait_until
from tests.toolkit.installing import result, start, wheel

from mlberth.code.install import Installs, install_command, is_package
from mlberth.envvars import Reader


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
        (
            {"wheelhouse/a.whl": "", "requirements.txt": "a"},
            ["--no-index", "--find-links", "wheelhouse", "-r", "requirements.txt"],
        ),
        ({"uv.lock": "", "requirements.txt": "a"}, ["-r", "requirements.txt"]),
    ],
)
def test_command_follows_from_the_files(
    tmp_path: Path, files: dict[str, str], command: list[str] | None
) -> None:
    """A package and a requirements.txt that names anything are installed in one pip command."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    expected = command and ["python", "-m", "pip", "install", *command]
    assert install_command("python", tmp_path, Installs.read(Reader({}))) == expected
    assert is_package(tmp_path) == (command is not None and "." in command)


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


def test_long_project_file_is_read_at_once(tmp_path: Path) -> None:
    """Empty lines without end take no time to speak of."""
    (tmp_path / "pyproject.toml").write_text("\n" * 200_000 + "# build-system\n")
    began = time.process_time()
    assert not is_package(tmp_path)
    assert time.process_time() - began < 20
