"""The command that follows from a program and the folder it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.errors import ContractError
from mlberth_train.launch.entry_point import program_command

PYPROJECT = "[build-system]\n"


@pytest.mark.parametrize(
    ("files", "program", "command"),
    [
        ({"train.py": ""}, "train.py", ["python", "train.py"]),
        ({"train.py": ""}, "./train.py", ["python", "train.py"]),
        ({"a/b/train.py": ""}, "a/b/train.py", ["python", "a/b/train.py"]),
        ({"train.py": "", "setup.py": ""}, "train.py", ["python", "train.py"]),
        ({"train.py": "", "pyproject.toml": "[project]\n"}, "train.py", ["python", "train.py"]),
        ({"train.py": "", "pyproject.toml": PYPROJECT}, "train.py", ["python", "train.py"]),
        (
            {"setup.py": "", "pkg/__init__.py": "", "pkg/train.py": ""},
            "pkg/train.py",
            ["python", "-m", "pkg.train"],
        ),
        (
            {"setup.py": "", "pkg/__init__.py": "", "pkg/train.py": ""},
            "pkg.train",
            ["python", "-m", "pkg.train"],
        ),
        (
            {
                "setup.py": "",
                "src/pkg/__init__.py": "",
                "src/pkg/sub/__init__.py": "",
                "src/pkg/sub/t.py": "",
            },
            "src/pkg/sub/t.py",
            ["python", "-m", "pkg.sub.t"],
        ),
        ({"setup.py": "", "scripts/train.py": ""}, "scripts/train.py", ["python", "scripts/train.py"]),
        ({"run.sh": "echo"}, "run.sh", ["/bin/sh", "./run.sh"]),
        ({"run.sh": "#! /bin/bash -e -u\r\n"}, "run.sh", ["/bin/bash", "-e -u", "./run.sh"]),
        ({"run": "#!/usr/bin/env python3\n"}, "run", ["/usr/bin/env", "python3", "./run"]),
        ({"sub/run.sh": ""}, "sub/run.sh", ["/bin/sh", "./sub/run.sh"]),
        ({"é b.py": ""}, "é b.py", ["python", "é b.py"]),
    ],
)
def test_command_follows_from_the_files(
    tmp_path: Path, files: dict[str, str], program: str, command: list[str]
) -> None:
    """Scripts, modules of packages, and files with a #! line are each run in their own way."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = program_command(tmp_path, program, ["--a", "1"], python="python", where="SAGEMAKER_PROGRAM")
    assert found == [*command, "--a", "1"]


def test_absolute_path_in_the_folder_is_allowed(tmp_path: Path) -> None:
    """A program may be named by its full path."""
    (tmp_path / "train.py").touch()
    found = program_command(tmp_path, str(tmp_path / "train.py"), [], python="python", where="x")
    assert found == ["python", "train.py"]


def test_binary_that_is_executable_runs_as_it_is(tmp_path: Path) -> None:
    """An executable without a #! line is started itself."""
    (tmp_path / "run").write_bytes(b"\x7fELF")
    (tmp_path / "run").chmod(0o755)
    assert program_command(tmp_path, "run", [], python="python", where="x") == ["./run"]


@pytest.mark.parametrize(
    ("name", "content", "action"),
    [
        ("nb.ipynb", b"{}", "jupyter nbconvert --to script nb.ipynb"),
        ("run", b"\x7fELF", "chmod +x run"),
        ("train.r", b"x <- 1", "A script needs a #! line"),
        ("empty", b"", "A script needs a #! line"),
    ],
)
def test_what_is_no_program_is_told_what_would_make_it_one(
    tmp_path: Path, name: str, content: bytes, action: str
) -> None:
    """An x bit helps a program alone: a notebook becomes a script, and a script says what runs it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ContractError) as error:
        program_command(tmp_path, name, [], python="python", where="SAGEMAKER_PROGRAM")
    assert action in str(error.value)
    assert ("chmod" in str(error.value)) == (name == "run")
