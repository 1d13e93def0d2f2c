"""Why an install failed, in the installer's own words and with what helps."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.toolkit.installing import result, start, wheel

from mlberth.code.pip_errors import hint, reason

VERSIONS = ", ".join(f"1.{number}.0" for number in range(200))


@pytest.mark.parametrize(
    ("requirement", "said", "helps"),
    [
        ("numpy=1.0", "ERROR: Invalid requirement: 'numpy=1.0'", "Hint: = is not a valid operator."),
        ("mlberth-no-such-package", "(from versions: none)", "See that the name is right. If no index"),
        ("mlberth-no-such-package", "No matching distribution found for mlberth-no-such", "wheelhouse"),
        ("./no-such-folder", "ERROR: Invalid requirement: './no-such-folder'", "The log above"),
    ],
)
def test_a_bad_requirement_is_reported_by_pips_own_line(
    tmp_path: Path, python: str, requirement: str, said: str, helps: str
) -> None:
    """The message begins with the command, has pip's line and its hint, and then what helps here."""
    (tmp_path / "requirements.txt").write_text(requirement + "\n")
    answer, _ = result(start(tmp_path, python))
    beginning = f"pip install -r requirements.txt: exit code 1 in {tmp_path}: ERROR: "
    assert answer["error"].startswith(beginning)
    assert said in answer["error"]
    assert helps in answer["error"]


def test_a_build_that_fails_tells_its_own_last_word(tmp_path: Path, python: str) -> None:
    """What the user's setup.py raised is in the message, and not only that a subprocess failed."""
    (tmp_path / "setup.py").write_text("raise RuntimeError('no compiler')\n")
    (tmp_path / "backend.py").write_text("raise RuntimeError('no compiler')\n")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    answer, _ = result(start(tmp_path, python))
    assert "RuntimeError: no compiler" in answer["error"]
    assert "The log above has the build's own words" in answer["error"]


def test_constraints_are_named_with_the_way_around_them(tmp_path: Path, python: str) -> None:
    """A requirement against the image's pins: the file of the pins, and the variable that lifts them."""
    wheel(tmp_path, "mlberth_private")
    (tmp_path / "requirements.txt").write_text("--find-links .\nmlberth_private==1.0\n")
    file = tmp_path / "pins.txt"
    file.write_text("mlberth_private==2.0\n")
    answer, _ = result(start(tmp_path, python, SAGEMAKER_PIP_CONSTRAINTS=str(file)))
    assert f"The constraint is in {file}" in answer["error"]
    assert "set SAGEMAKER_PIP_CONSTRAINTS to another file, or to nothing" in answer["error"]


def wrapped(tmp_path: Path, python: str, command: str) -> str:
    """Return an interpreter that runs the given one by a command; skip where that is not allowed."""
    file = tmp_path / "python"
    file.write_text(f"#!/bin/sh\n{command.format(python=python, folder=Path(python).parent.parent)}\n")
    file.chmod(0o755)
    if subprocess.run([file, "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not allow it")
    return str(file)


def test_a_user_who_may_not_write(tmp_path: Path, python: str) -> None:
    """As in an image that is started with another user than the owner of its packages."""
    wheel(tmp_path, "mlberth_never_installed")
    (tmp_path / "requirements.txt").write_text("--find-links .\nmlberth_never_installed\n")
    (folder,) = (Path(python).parent.parent / "lib").glob("python*/site-packages")
    no_override = 'exec setpriv --bounding-set=-dac_override --inh-caps=-all {python} "$@"'
    user = wrapped(tmp_path, python, no_override if os.geteuid() == 0 else 'exec {python} "$@"')
    folder.chmod(0o555)
    try:
        answer, _ = result(start(tmp_path, user))
    finally:
        folder.chmod(0o755)
    assert "Permission denied" in answer["error"]
    assert f"User {os.geteuid()} may not change what is installed here: install the" in answer["error"]


def test_a_file_system_that_is_read_only(tmp_path: Path, python: str) -> None:
    """As in a container with --read-only."""
    wheel(tmp_path, "mlberth_never_installed")
    (tmp_path / "requirements.txt").write_text("--find-links .\nmlberth_never_installed\n")
    mounts = "mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} {folder}"
    python = wrapped(tmp_path, python, f'exec unshare -rm sh -c \'{mounts} && exec {{python}} "$@"\' - "$@"')
    answer, _ = result(start(tmp_path, python))
    assert "Read-only file system" in answer["error"]
    assert "This container's file system is read-only: install the packages in the image" in answer["error"]


def test_no_way_to_the_index(tmp_path: Path, python: str) -> None:
    """As in a container without a network: the three ways out are named."""
    (tmp_path / "requirements.txt").write_text("mlberth_never_installed\n")
    offline = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    answer, _ = result(start(tmp_path, python, PIP_CONFIG_FILE="/dev/null", **offline))
    assert "No matching distribution found for mlberth_never_installed" in answer["error"].replace("-", "_")
    for way in ("in the image", "a folder `wheelhouse`", "PIP_INDEX_URL"):
        assert way in answer["error"]


@pytest.mark.parametrize(
    ("output", "helps"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: 'x'", "owner"),
        ("error: Permission denied (os error 13)", "install the packages in the image"),
        ("ERROR: OSError: [Errno 30] Read-only file system: '/opt/venv'", "file system is read-only"),
        ("ERROR: OSError: [Errno 28] No space left on device", "The disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError()'\nERROR: none", "PIP_INDEX_URL"),
        ("ERROR: Temporary failure in name resolution", "no index can be reached"),
        ("error: Failed to fetch: `https://x/`\n  dns error", "no index can be reached"),
        ("ERROR: something new", "The log above has all that it said."),
    ],
)
def test_hints(output: str, helps: str) -> None:
    """Permission, read-only, full disk and no network each have their own way out."""
    assert helps in hint(output, None, "SAGEMAKER_PIP_CONSTRAINTS")


def test_long_lists_of_versions_are_shortened() -> None:
    """The failure file has 1024 bytes: both ends of pip's line are in it."""
    said = reason(f"Looking\nERROR: No version fits x==9 (from versions: {VERSIONS})\nERROR: No x==9\n")
    assert said.startswith("ERROR: No version fits x==9 (from")
    assert said.endswith("1.199.0) / ERROR: No x==9")
    assert len(said) < 300


def test_an_installer_without_a_word() -> None:
    """Nothing said is told as that."""
    assert reason("\n") == "it said nothing"
