"""The user's code, imported afresh on every load."""

from __future__ import annotations

import importlib.util
import site
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlberth.compat import missing_packages_path
from mlberth.errors import ContractError, Fault
from mlberth.paths import is_folder
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.applications import application_fault, makes_application
from mlberth_serve.usercode.bytecode import FreshLoader, read_afresh
from mlberth_serve.usercode.load_errors import UserCodeError, find_cause
from mlberth_serve.usercode.locate import Program, code_folders, find_module, split_name
from mlberth_serve.variables import DEFAULT_PROGRAM, Variables

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


_OURS = frozenset({"mlberth", "mlberth_serve"})


def import_program(program: Program) -> ModuleType:
    """Import the user's program afresh; raises UserCodeError for whatever it raises."""
    forget(program)
    name = program.module_name
    if name in sys.stdlib_module_names or name in sys.modules:
        found = f"{program.path.name}, the name of a module that is in use"
        raise ContractError(Fault(Variables.program.name, found, "a name of its own, such as inference.py"))
    add_to_path(*program.path_entries)
    importlib.invalidate_caches()
    # By the loader's name: the file may have no suffix.
    loader = FreshLoader(name, str(program.path))
    spec = importlib.util.spec_from_file_location(name, program.path, loader=loader)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        raise UserCodeError(find_cause(error, program, "import")) from error
    return module


def import_attribute(settings: Settings) -> WSGIApplication:
    """Import the module afresh and return its attribute; raises UserCodeError or ContractError."""
    program = find_module(settings)
    name, attribute = split_name(settings)
    forget(program)
    # An installed module finds what belongs to it as the interpreter does.
    add_to_path(*([] if settings.safe_models_only else program.path_entries[1:]))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        raise UserCodeError(find_cause(error, program, "import")) from error
    found: Any = getattr(module, attribute, None)
    if makes_application(found):
        try:
            found = found()
        except BaseException as error:
            raise UserCodeError(find_cause(error, program, "call", attribute)) from error
    if fault := application_fault(found, name, attribute):
        raise ContractError(fault)
    application: WSGIApplication = found
    return application


def offer_code(settings: Settings) -> None:
    """Let a pickle find the modules of the code folders, read afresh, if no handler lies there.

    They come after installed packages: a training program named `xgboost.py` is not what loads a model.
    """
    folders = [folder.absolute() for folder in code_folders(settings) if is_folder(folder)]
    read_afresh(*folders)
    for folder in folders:
        forget(Program(folder, folder / DEFAULT_PROGRAM))
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    if folders:  # it writes to memory that a forked process shares with others until then
        importlib.invalidate_caches()


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
    read_afresh(*folders)
    packages = {*site.getsitepackages(), site.getusersitepackages()}
    index = next((index for index, entry in enumerate(sys.path) if entry in packages), len(sys.path))
    names = dict.fromkeys(str(folder) for folder in folders)
    sys.path[index:index] = [name for name in names if name not in sys.path]
    sys.path += missing_packages_path()
