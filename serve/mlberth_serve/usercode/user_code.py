"""The user's module: where it is, and how it is imported."""

from __future__ import annotations

import importlib.util
import logging
import os
import site
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType

from mlberth.compat import missing_packages_path
from mlberth.errors import ContractError, Fault, ModelLoadError
from mlberth.paths import is_folder
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.handler_file import is_handler
from mlberth_serve.variables import DEFAULT_PROGRAM, Variables

log = logging.getLogger(__name__)

_PACKAGES = frozenset({"site-packages", "dist-packages"})
_OURS = frozenset({"mlberth", "mlberth_serve"})


@dataclass(frozen=True)
class LoadCause:
    """Where the user's code failed; paths are relative to the code folder."""

    phase: str
    """"import", or "call" for a function that was being called."""
    function: str
    """The contract's function, "" during the import."""
    file: str
    line: int
    exception: str
    """Type and message."""
    traceback: str
    """The frames of the user's code and below, as Python prints them."""


class UserCodeError(ModelLoadError):
    """The user's code raised while it was being loaded."""

    def __init__(self, cause: LoadCause) -> None:
        where = f"{cause.file}, line {cause.line}" + (f", in {cause.function}" if cause.function else "")
        expected = f"{cause.function} to return" if cause.function else "a module that can be imported"
        super().__init__(Fault(where, cause.exception, expected))
        self.cause = cause


@dataclass(frozen=True)
class Program:
    """The user's handler file in its code folder."""

    folder: Path
    path: Path

    def owns(self, file: str) -> bool:
        """Tell whether a source file is the user's; a `.venv` in the code folder is not."""
        path = Path(file)
        return path.is_relative_to(self.folder) and _PACKAGES.isdisjoint(path.parts)

    @property
    def module_name(self) -> str:
        """The name that the module has for itself and in sys.modules."""
        return self.path.stem


def find_program(settings: Settings) -> Program | None:
    """Return the user's program, or None where there is none and none was asked for.

    A program that is none of a server's (see `handler_file`) counts as not named. Raises ContractError
    when a program that a variable names is missing, or outside the code folder.
    """
    folders = code_folders(settings)
    requested = "" if _names_no_handler(settings.program, folders) else settings.program
    name = requested or DEFAULT_PROGRAM
    name = name if name.endswith(".py") else f"{name}.py"
    for folder in folders:
        if path := _file_below(folder, name):
            if settings.safe_models_only:
                safe = Variables.safe_models_only.name
                raise ModelLoadError(
                    Fault(safe, f"true, and a handler {name!r}", "a model file without code")
                )
            return Program(folder.absolute(), path)
    if settings.submit_directory or requested:
        found = f"no file {name!r} in {' or '.join(str(folder) for folder in folders)}"
        raise ContractError(
            Fault(Variables.program.name, found, "the name of a Python file in the code folder")
        )
    return None


def _names_no_handler(name: str | None, folders: list[Path]) -> bool:
    """Tell whether the first file of a program's name is no handler."""
    path = next((path for folder in folders if (path := _file_below(folder, name or ""))), None)
    return path is not None and (path.suffix != ".py" or not is_handler(path))


def _file_below(folder: Path, name: str) -> Path | None:
    path = Path(os.path.normpath(folder.absolute() / name))
    try:
        return path if path.is_relative_to(folder.absolute()) and path.is_file() else None
    except PermissionError as error:  # not to be served as if it held no code
        expected = "a folder that can be looked into"
        raise ModelLoadError(Fault(str(folder), str(error.strerror), expected)) from error
    except (OSError, ValueError):  # no name that a file can have
        return None


def code_folders(settings: Settings) -> list[Path]:
    """Return where the user's code may be, the first choice first.

    SAGEMAKER_SUBMIT_DIRECTORY is looked into alone; without it the model's `code/`, then
    `/opt/ml/code`. Raises ContractError for a folder that is named and missing.
    """
    if not settings.submit_directory:
        return [settings.layout.model / "code", settings.layout.code]
    folder = Path(settings.submit_directory)
    if not is_folder(folder):
        found = repr(settings.submit_directory)
        raise ContractError(Fault(Variables.submit_directory.name, found, "a folder that exists"))
    return [folder]


def import_program(program: Program) -> ModuleType:
    """Import the user's program afresh; raises UserCodeError for whatever it raises."""
    forget(program)
    name = program.module_name
    if name in sys.stdlib_module_names or name in sys.modules:
        found = f"{program.path.name}, the name of a module that is in use"
        raise ContractError(Fault(Variables.program.name, found, "a name of its own, such as inference.py"))
    add_to_path(program.path.parent, program.folder)
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(name, program.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserCodeError(find_cause(error, program, "import")) from error
    return module


@contextmanager
def failures_logged() -> Iterator[None]:
    """Log the frames of the user's code where it fails to load; the one line that tells of it has none."""
    try:
        yield
    except UserCodeError as error:
        log.error("the user's code failed\n%s", error.cause.traceback.rstrip())  # noqa: TRY400 - the frames of the user's code alone
        raise


def find_cause(error: BaseException, program: Program, phase: str, function: str = "") -> LoadCause:
    """Say where in the user's code an exception was raised: its last frame there."""
    own = [trace for trace in _traces(error.__traceback__) if program.owns(trace.tb_frame.f_code.co_filename)]
    file, line = program.path, 1
    if own:
        file, line = Path(own[-1].tb_frame.f_code.co_filename), own[-1].tb_lineno
    if isinstance(error, SyntaxError) and error.filename:
        file, line = Path(error.filename), error.lineno or 1
    shown = str(file.relative_to(program.folder)) if file.is_relative_to(program.folder) else file.name
    text = "".join(traceback.format_exception(type(error), error, own[0] if own else None))
    message = traceback.format_exception_only(error)[-1].strip()
    return LoadCause(phase, function, shown, line, message, text)


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace:
        yield trace
        trace = trace.tb_next


def forget(program: Program) -> None:
    """Drop what an earlier load imported from the code folder, so that every load reads the files."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and name.partition(".")[0] not in _OURS and program.owns(file):
            del sys.modules[name]


def add_to_path(*folders: Path) -> None:
    """Put folders of the user's code between the standard library and installed packages.

    Before installed packages, as when Python runs a script: the user's `utils.py` wins over some
    package's. After the standard library, unlike there: a `json.py` or `code.py` beside the program
    would otherwise be what our own libraries get when they import theirs. Last come our stand-ins for
    packages that handlers written for other servers import.
    """
    packages = {*site.getsitepackages(), site.getusersitepackages()}
    index = next((index for index, entry in enumerate(sys.path) if entry in packages), len(sys.path))
    names = dict.fromkeys(str(folder) for folder in folders)
    sys.path[index:index] = [name for name in names if name not in sys.path]
    sys.path += missing_packages_path()
