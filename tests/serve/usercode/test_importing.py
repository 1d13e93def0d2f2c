"""The user's code is what its files say, whatever bytecode lies beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlberth_serve.usercode.bytecode import is_newer_than_bytecode

LOAD = """
import os, re, sys
from pathlib import Path
from mlberth_serve.usercode.importing import import_program
from mlberth_serve.usercode.locate import Program

folder = Path(sys.argv[1])
for digit in sys.argv[2:]:
    for file in folder.rglob("*.py"):
        was = file.stat()
        file.write_text(re.sub("[0-9]", digit, file.read_text()))
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    print(*import_program(Program(folder, folder / "inference.py")).found())
"""
SOURCES = ("inference.py", "beside.py", "package/inner.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a code folder: a handler, a module beside it, and one of a package."""
    (tmp_path / "package").mkdir()
    for name in SOURCES:
        (tmp_path / name).write_text("VALUE = 0\n")
    (tmp_path / "package/__init__.py").write_text("")
    found = "def found():\n    return VALUE, beside.VALUE, inner.VALUE\n"
    (tmp_path / "inference.py").write_text(f"import beside\nfrom package import inner\nVALUE = 0\n{found}")
    return tmp_path


def load(folder: Path, *digits: int) -> list[str]:
    """For each digit put it into all files, whose size and time stay, and return what a load has of it."""
    argv = [sys.executable, "-c", LOAD, str(folder), *map(str, digits)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    found = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def test_files_of_the_same_size_and_time(folder: Path) -> None:
    """Each load has the new ones, in one process and in the next."""
    assert load(folder, 1, 2, 3) == ["1 1 1", "2 2 2", "3 3 3"]
    assert len(list(folder.rglob("*.pyc"))) >= len(SOURCES)
    assert load(folder, 4) == ["4 4 4"]


def test_bytecode_of_an_unchanged_file_is_used(folder: Path) -> None:
    """A large folder of code is not compiled at each start."""
    load(folder, 1)
    sources = [str(folder / name) for name in SOURCES]
    assert not any(map(is_newer_than_bytecode, sources))
    for source in sources:
        os.utime(source)
    assert all(map(is_newer_than_bytecode, sources))
