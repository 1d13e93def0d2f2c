"""The `mlberth` command."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import mlberth
from mlberth.__main__ import find_commands, run


def mlberth_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run(
        [sys.executable, "-m", "mlberth", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_version() -> None:
    """--version tells the package's version."""
    assert mlberth_command("--version").stdout == f"mlberth {mlberth.__version__}\n"


def test_help_lists_every_sub_command() -> None:
    """The sub-commands come from the entry points, each with its own first sentence."""
    done = mlberth_command("--help")
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {"train", "serve", "process"} <= {name for name, _ in lines}
    assert all(summary.endswith(".") for _, summary in lines)


def test_unknown_command_is_named_with_what_there_is() -> None:
    """A wrong word is answered with the right ones, and no traceback."""
    done = mlberth_command("sail")
    assert done.returncode == 2
    assert "no such command: 'sail'; expected one of" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", sorted(find_commands(sys.path)))
@pytest.mark.parametrize("argument", ["--help", "-h", "--version", "-V"])
def test_every_command_has_help_and_a_version(command: str, argument: str) -> None:
    """`mlberth --help` promises it; nothing of the command itself is done."""
    done = mlberth_command(command, argument)
    assert done.returncode == 0
    assert done.stderr == ""
    if argument in ("--version", "-V"):
        assert done.stdout == f"mlberth {mlberth.__version__}\n"
    else:
        assert done.stdout.startswith("usage: ")


@pytest.mark.parametrize("command", ["train", "serve", "process"])
def test_commands_on_path_have_a_version(command: str) -> None:
    """They are what most people type."""
    script = Path(sys.executable).with_name(command)
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"mlberth {mlberth.__version__}\n")


def test_commands_are_those_that_python_finds() -> None:
    """What is read from the packages' metadata is what `importlib.metadata` reads."""
    points = entry_points(group="mlberth.commands")
    assert find_commands(sys.path) == {point.name: point.value for point in points}


def test_first_package_on_the_path_has_a_command(tmp_path: Path) -> None:
    """A command of the same name further down is hidden, and other groups are nobody's commands."""
    for number, folder in enumerate(("a", "b")):
        (tmp_path / folder / "x-1.dist-info").mkdir(parents=True)
        text = f"[console_scripts]\nx = x:main\n\n[mlberth.commands]\nsail = x{number}:main\n"
        (tmp_path / folder / "x-1.dist-info/entry_points.txt").write_text(text)
    path = [str(tmp_path / name) for name in ("gone", "a", "b")]
    assert find_commands(path) == {"sail": "x0:main"}


def test_metadata_that_is_no_text_hides_nothing(tmp_path: Path) -> None:
    """Some other package's damaged file does not keep a command from running."""
    for name, data in {"x": b"[\xff]\n", "y": b"[mlberth.commands]\nsail = y:main\n"}.items():
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info/entry_points.txt").write_bytes(data)
    assert find_commands([str(tmp_path)]) == {"sail": "y:main"}


def test_help_for_a_reader_that_has_read_enough() -> None:
    """As of `mlberth run --help | head -1`: no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "mlberth", "run", "--help"]
    done = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("train", ".", "--help"), "usage: mlberth run train "),
        (("train", "--image", "xgboost", "--help"), "usage: mlberth run train "),
        (("process", ".", "--help"), "usage: mlberth run process "),
        (("transform", "--help"), "usage: mlberth run transform "),
        (("train", "--help"), "usage: train [--explain"),
        (("process", "--help"), "usage: process [PROGRAM"),
    ],
)
def test_run_is_the_platforms_with_a_folder_or_a_flag_of_it(words: tuple[str, ...], usage: str) -> None:
    done = mlberth_command("run", *words)
    assert (done.returncode, done.stdout.startswith(usage)) == (0, True), done.stdout + done.stderr


def test_run_with_hyperparameters_is_the_command() -> None:
    """It says where they go, as it does without the platform."""
    done = mlberth_command("run", "train", "--epochs", "10")
    assert (done.returncode, "Hyperparameters are read from a file" in done.stderr) == (2, True)


def test_run_with_a_folder_that_is_not_there_names_it() -> None:
    """Without the platform it is the command: an image's `train` takes no word."""
    done = mlberth_command("run", "train", "no-folder", "--engine", "process")
    expected = "argument FOLDER: 'no-folder' is no folder; expected the one of the program"
    assert (done.returncode, expected in done.stderr) == (2, True), done.stderr


def test_run_without_the_platform_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mlberth run", "transform"])
    monkeypatch.setattr(sys, "path", [])
    said: list[str] = []
    monkeypatch.setattr("mlberth.__main__.say", said.append)
    assert run() == 69
    assert said == ['mlberth run transform: the platform is not installed. Run: pip install "mlberth[local]"']
