"""The user's program: what kind it is, and the command that runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from mlberth.code.install import is_package
from mlberth.contract.environment import PROGRAM
from mlberth.errors import ContractError, Fault
from mlberth.paths import exists, is_file

_EXPECTED = "a program in {code}, such as train.py"
# Text, which `re` compiles when it is needed: few jobs do.
_DOTTED = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_HOOK = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
_SHELL = "/bin/sh"
_LISTED = 20
_ABSENT = "no such file"
_ELF = b"\x7fELF"
_START = 512
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_LONGEST_SCRIPT = 100_000
"""Bytes; Linux gives no argument more than 128 KiB."""
_WITHOUT_CR = "<the script without its carriage returns>"


def program_command(
    code: Path,
    program: str,
    arguments: Sequence[str],
    *,
    python: str,
    where: str,
    name: str | None = None,
    shown: bool = False,
) -> list[str]:
    """Return the argv that runs a program from within the code folder.

    `x.py` runs as a script, or as a module if it is in a package of the folder; a file with a `#!` line by
    that; any other `.sh` by /bin/sh; anything executable as it is. `where` is the setting that errors
    name, and `name` says what kind of program the file is if its own name does not. With `shown` the argv
    is one to print. Raises ContractError for what is not a program in the folder.
    """
    if is_package(code) and re.fullmatch(_DOTTED, program) and not exists(code / program):
        return [python, "-m", program, *arguments]
    path = _checked(code, program, where)
    return [*_launch(code, path, PurePosixPath(name or path).suffix, python, where, shown=shown), *arguments]


def needs_package(argv: Sequence[str]) -> bool:
    """Tell whether a program runs as a module, for which the package that it is in has to be installed."""
    return argv[1:2] == ["-m"]


def hook_command(spec: str, *, python: str, where: str) -> list[str]:
    """Return the argv that calls a framework's hook, `package.module:function`, in a child."""
    if not re.fullmatch(_HOOK, spec):
        raise ContractError(Fault(where, repr(spec), "package.module:function"))
    return [python, "-m", "mlberth_train.launch.module_hook", spec]


def find_program(code: Path, program: str | None, *, how: str, default: str | None = None) -> str:
    """Return the program that a job names, or the default where it names none and the folder has that.

    `how` says in an error what to set.
    """
    if program:
        return program
    if default and (is_file(code / default) or is_file(code)):
        return default
    found = Fault(PROGRAM.name, "nothing", _EXPECTED.format(code=code), f"{how} {_listing(code)}")
    raise ContractError(found)


def _launch(
    code: Path, path: PurePosixPath, suffix: str, python: str, where: str, *, shown: bool
) -> list[str]:
    file = f"./{path}"
    interpreter = _interpreter(code / path)
    if suffix == ".py" and (path.suffix or not interpreter):
        module = _module(code, path) if is_package(code) else None
        return [python, "-m", module] if module else [python, str(path)]
    if interpreter:
        return [*interpreter, *_script(code / path, file, interpreter, shown=shown)]
    executable = os.access(code / path, os.X_OK)
    if suffix == ".sh" or (
        executable and _is_text(code / path)
    ):  # which a kernel does not start, and a shell does
        return [_SHELL, *_script(code / path, file, [_SHELL], shown=shown)]
    if not executable:
        expected = "a .py or .sh file, a file with a #! line, or an executable"
        raise ContractError(Fault(where, repr(str(path)), expected, _how_to_run(code / path)))
    return [file]


def _script(path: Path, file: str, interpreter: Sequence[str], *, shown: bool) -> list[str]:
    """Return what a shell is given to run a script: its file, or its text if lines end as on Windows."""
    shell = PurePosixPath(interpreter[0]).name
    if (interpreter[-1] if shell == "env" else shell) not in _SHELLS:
        return [file]
    with path.open("rb") as opened:
        lines = opened.read(_LONGEST_SCRIPT)
    if b"\r\n" not in lines.partition(b"\n")[2] or len(lines) == _LONGEST_SCRIPT or b"\0" in lines:
        return [file]
    return ["-c", _WITHOUT_CR if shown else os.fsdecode(lines.replace(b"\r\n", b"\n")), file]


def _is_text(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(_START)
    return bool(start) and not start.startswith(_ELF) and b"\0" not in start


def _how_to_run(file: Path) -> str:
    """Return what makes a program of a file that is none as it is."""
    if file.suffix == ".ipynb":
        return f"Make a script of the notebook: jupyter nbconvert --to script {file.name}"
    with file.open("rb") as opened:
        is_program = opened.read(len(_ELF)) == _ELF
    return (
        f"Run: chmod +x {file.name}" if is_program else "A script needs a #! line or one of these suffixes."
    )


def _module(code: Path, path: PurePosixPath) -> str | None:
    """Return `pkg.train` for `pkg/train.py` and `src/pkg/train.py`; None for a file in no package."""
    names = [path.stem]
    for folder in path.parents:
        if not is_file(code / folder / "__init__.py") or folder == PurePosixPath():
            break
        names.insert(0, folder.name)
    return ".".join(names) if len(names) > 1 else None


def _interpreter(file: Path) -> list[str]:
    """Return the words of a `#!` line as the kernel reads them: a program and at most one argument."""
    with file.open("rb") as opened:
        line = opened.readline(4096)
    if not line.startswith(b"#!"):
        return []
    return os.fsdecode(line[2:]).strip().split(maxsplit=1)


def _checked(code: Path, program: str, where: str) -> PurePosixPath:
    """Return the program's path below the code folder; raise ContractError for anything else."""
    path = PurePosixPath(program)
    if path.is_absolute() and path.is_relative_to(code):
        path = path.relative_to(code)
    problem = _problem(code, path, program)
    if problem:
        found = f"{_ABSENT}: {program!r}" if problem == _ABSENT else f"{program!r}, {problem}"
        raise ContractError(Fault(where, found, _EXPECTED.format(code=code), _listing(code)))
    return path


def _problem(code: Path, path: PurePosixPath, program: str) -> str:
    if not program.isprintable() or program.startswith("-"):
        return "which is no file name"
    if path.is_absolute() or ".." in path.parts:
        return "which is outside" if ".." in path.parts else _ABSENT
    file = code / path
    if not is_file(file):
        return "which is not a file" if exists(file) else _ABSENT
    return "" if os.access(file, os.R_OK) else "which cannot be read"


def _listing(code: Path) -> str:
    try:
        entries = sorted(islice(code.iterdir(), 1000))
    except OSError as error:
        return f"{code} cannot be listed: {error.strerror}."
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
    more = ", …" if len(names) > _LISTED else ""
    return f"{code} holds: {', '.join(names[:_LISTED])}{more}." if names else f"{code} is empty."
