"""What the user's code needs, installed by a real pip into a real environment, without a network."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support import wait_until
from tests.toolkit.code.conftest import TOKEN
from tests.toolkit.installing import result, start, wheel

from mlberth.code.install import Installs, install_command, is_package
from mlberth.envvars import Reader

UV = Path(sys.executable).with_name("uv")
LOCKED = """\
[project]
name = "job"
version = "1"
requires-python = ">=3.10"
dependencies = ["mlberth_locked"]
[tool.uv]
no-index = true
find-links = ["."]
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


@pytest.mark.usefixtures("private")
def test_private_index_from_a_secret_file(code: Path, python: str, index: str, tmp_path: Path) -> None:
    """PIP_CONFIG_FILE can name a mounted secret with index and password, which nobody sees."""
    secret = tmp_path / "pip.conf"
    secret.write_text(f"[global]\nindex-url = {index.replace('://', f'://aws:{TOKEN}@')}/simple/\n")
    answer, said = result(
        start(code, python, PIP_CONFIG_FILE=str(secret), PIP_NO_INDEX="0", PIP_INDEX_URL="")
    )
    assert answer == {"stopped": None}, said
    assert TOKEN not in said


@pytest.mark.usefixtures("private")
def test_wheelhouse_is_the_only_source(code: Path, python: str) -> None:
    """With wheels beside the code no index is asked, wherever pip is told to look."""
    (code / "wheelhouse").mkdir()
    wheel(code / "wheelhouse", "mlberth_private")
    answer, said = result(start(code, python, PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/simple"))
    assert answer == {"stopped": None}, said


def test_install_that_is_forbidden_is_not_tried(code: Path, python: str) -> None:
    """With SAGEMAKER_ALLOW_INSTALL=false a job that asks for a package ends with the reason."""
    answer, said = result(start(code, python, SAGEMAKER_ALLOW_INSTALL="false"))
    assert (answer["kind"], answer["exit_code"]) == ("DependencyError", 69)
    assert answer["error"].startswith("SAGEMAKER_ALLOW_INSTALL: found false")
    assert "pip" not in said.replace(answer["error"], "")


def test_unsafe_requirement_never_reaches_pip(code: Path, python: str) -> None:
    """With SAGEMAKER_SAFE_REQUIREMENTS=true a URL is refused before pip starts."""
    (code / "requirements.txt").write_text("numpy\ngit+https://example.com/x\n")
    answer, _ = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true"))
    assert answer["error"].startswith("requirements.txt, line 2: found something else")


@pytest.mark.parametrize("name", ["setup.py", "pyproject.toml", "wheelhouse/x", "uv.lock"])
def test_safe_install_has_one_way_in(code: Path, python: str, name: str) -> None:
    """Nor is anything else of the code's folder installed, or installed from."""
    (code / name).parent.mkdir(exist_ok=True)
    (code / name).write_text("[build-system]\n")
    if name == "uv.lock":
        (code / "requirements.txt").unlink()
    answer, _ = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true"))
    assert answer["kind"] == "DependencyError"
    assert answer["error"].startswith("SAGEMAKER_SAFE_REQUIREMENTS: found true, and ")
    assert name.partition("/")[0] in answer["error"]


@pytest.mark.usefixtures("private")
def test_safe_install_runs_nothing_of_the_code(code: Path, python: str, index: str, tmp_path: Path) -> None:
    """Pip is the installed one, with Python's own modules, whatever the code's folder has of their names."""
    for name in ("pip.py", "json.py", "runpy.py", "types.py", "sitecustomize.py"):
        (code / name).write_text(f"import os\nos.mkdir({str(tmp_path / 'pwned')!r})\n")
    (code / "mlberth_private-1.0.tar.gz").write_text("no archive")
    address = f"{index.replace('://', f'://aws:{TOKEN}@')}/simple/"
    variables = {"PIP_INDEX_URL": address, "PIP_NO_INDEX": "0"}
    answer, said = result(start(code, python, SAGEMAKER_SAFE_REQUIREMENTS="true", **variables))
    assert answer == {"stopped": None}, said
    assert "Successfully installed" in said
    assert not (tmp_path / "pwned").exists()


def test_constraints_protect_what_the_image_has(code: Path, python: str, tmp_path: Path) -> None:
    """A requirement against SAGEMAKER_PIP_CONSTRAINTS fails with pip's reason, and changes nothing."""
    wheel(code, "mlberth_private")
    (code / "requirements.txt").write_text("--find-links .\nmlberth_private==1.0\n")
    (tmp_path / "constraints.txt").write_text("mlberth_private==2.0\n")
    answer, said = result(start(code, python, SAGEMAKER_PIP_CONSTRAINTS=str(tmp_path / "constraints.txt")))
    assert answer["kind"] == "DependencyError"
    assert "The user requested (constraint) mlberth" in said.replace("-private", "_private")
    assert "The user requested (constraint) mlberth" in answer["error"]


def test_lock_without_uv_says_what_to_do(code: Path, python: str) -> None:
    """uv.lock alone needs uv; without it the error names both ways out."""
    (code / "requirements.txt").unlink()
    (code / "uv.lock").write_text("version = 1\n")
    answer, _ = result(start(code, python, PATH="/usr/bin:/bin"))
    assert (answer["kind"], answer["exit_code"]) == ("DependencyError", 69)
    assert "uv export -o requirements.txt" in answer["error"]


def test_lock_is_synced_by_uv(tmp_path: Path, python: str) -> None:
    """uv.lock is installed as it is locked, into the environment, and nothing else is taken away."""
    if not UV.exists():
        pytest.skip("uv is not installed")
    wheel(tmp_path, "mlberth_locked")
    (tmp_path / "pyproject.toml").write_text(LOCKED)
    environment = str(Path(python).parent.parent)
    uv = {"UV_PROJECT_ENVIRONMENT": environment, "UV_OFFLINE": "1", "UV_NO_CONFIG": "0"}
    path = f"{UV.parent}:{os.environ['PATH']}"
    subprocess.run([UV, "lock", "-q"], cwd=tmp_path, env={**os.environ, **uv}, check=True)
    answer, said = result(start(tmp_path, python, PATH=path, **uv))
    assert answer == {"stopped": None}, said
    subprocess.run([python, "-c", "import mlberth_locked, pip"], check=True)
