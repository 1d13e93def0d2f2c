"""The user's program: what kind it is, and the command that runs it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from mlberth.code.install import is_package
from mlberth.contract.environment import PROGRAM, Environment
from mlberth.errors import ContractError, Fault
from mlberth.paths import exists, is_file, is_folder
from mlberth.process.scripts import ELF, SHELL, interpreter, is_text, script_arguments

DEFAULT_PROGRAM = "train.py"
_EXPECTED = "a program in {code}, such as train.py"
# Text, which `re` compiles when it is needed: few jobs do.
_DOTTED = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_HOOK = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
_LISTED = 20
_ABSENT = "no such file"


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


def needs_package(code: Path, argv: Sequence[str]) -> bool:
    """Return whether a program is a module that is found once it is installed, not in the code folder."""
    return argv[1:2] == ["-m"] and not is_folder(code / argv[2].partition(".")[0])


def hook_command(spec: str, *, python: str, where: str) -> list[str]:
    """Return the argv that calls a framework's hook, `package.module:function`, in a child."""
    if not re.fullmatch(_HOOK, spec):
        raise ContractError(Fault(where, repr(spec), "package.module:function"))
    return [python, "-m", "mlberth_train.launch.module_hook", spec]


def algorithm_of(environment: Environment, named: str | None) -> str | None:
    """Return the algorithm that trains: the one that is named, if the job has no program."""
    code = environment.layout.code
    has_program = (
        environment.program or environment.module or is_file(code / DEFAULT_PROGRAM) or is_file(code)
    )
    return None if has_program else named


def algorithm_command(name: str, python: str) -> list[str]:
    """Return the argv that trains with an algorithm in place of a program."""
    return [python, "-m", "mlberth_train.algorithms", name]


def scripts_not_run(environment: Environment, named: str | None) -> str:
    """Return a doubt about scripts in the code folder, in whose place an algorithm trains; "" for none."""
    algorithm = algorithm_of(environment, named)
    if not algorithm:
        return ""
    try:
        names = sorted(entry.name for entry in environment.layout.code.iterdir())
    except OSError:
        return ""
    scripts = ", ".join(name for name in names if name.endswith((".py", ".sh")) and name != "setup.py")
    return f"{scripts} is not run, and {algorithm} trains: set {PROGRAM.name} to run it" if scripts else ""


def find_program(code: Path, program: str | None, *, how: str, default: str | None = None) -> str:
    """Return the program that a job names, or the default if it names none and the folder has that.

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
    name, file = f"./{path}", str(code / path)
    words = interpreter(file)
    if suffix == ".py" and (path.suffix or not words):
        module = _module(code, path) if is_package(code) else None
        return [python, "-m", module] if module else [python, str(path)]
    executable = os.access(file, os.X_OK)
    if not words and (suffix == ".sh" or (executable and is_text(file))):
        words = [SHELL]
    if words:
        return [*words, *script_arguments(file, name, words, shown=shown)]
    if not executable:
        expected = "a .py or .sh file, a file with a #! line, or an executable"
        raise ContractError(Fault(where, repr(str(path)), expected, _how_to_run(code / path)))
    return [name]


def _how_to_run(file: Path) -> str:
    """Return what makes a program of a file that is none as it is."""
    if file.suffix == ".ipynb":
        return f"Make a script of the notebook: jupyter nbconvert --to script {file.name}"
    with file.open("rb") as opened:
        is_program = opened.read(len(ELF)) == ELF
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
