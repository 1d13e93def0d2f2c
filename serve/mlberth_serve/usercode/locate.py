"""The user's code, found without running it: the handler file, the serving module, and their folders.

SAGEMAKER_PROGRAM names the program of both `train` and `serve`, and an image that does both has it set to its
training program. To import that would be to train: a file without the contract's functions is no handler.
"""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlberth.errors import ContractError, Fault, ModelLoadError
from mlberth.paths import is_file, is_folder
from mlberth_serve.safe_models import code_of_models, lies_in
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.signatures import SIGNATURES
from mlberth_serve.variables import DEFAULT_PROGRAM, Variables

_PACKAGES = frozenset({"site-packages", "dist-packages"})
LIB = "lib"
"""The folder of the code folder to which the SDK copies a model's `dependencies`."""
_ENTRY = "handle"
_SERVICES = frozenset({"BaseHandler", "DefaultHandlerService", "HandlerService"})
"""Classes that have the method for those that build on them: TorchServe's, sagemaker-inference-toolkit's,
and those of containers that are made with it."""


@dataclass(frozen=True)
class Program:
    """The user's handler file in its code folder."""

    folder: Path
    path: Path
    name: str = ""
    """The name of the module, if its file has another."""

    def owns(self, file: str) -> bool:
        """Return whether a source file is the user's; a `.venv` in the code folder is not."""
        path = Path(file)
        return path.is_relative_to(self.folder) and _PACKAGES.isdisjoint(path.parts)

    @property
    def module_name(self) -> str:
        """The name that the module has for itself and in sys.modules."""
        return self.name or self.path.stem

    @property
    def path_entries(self) -> list[Path]:
        """What belongs on `sys.path`: the file's folder, the code folder, and what the SDK puts below it."""
        return [self.path.parent, self.folder, *([self.folder / LIB] if is_folder(self.folder / LIB) else [])]


def find_program(settings: Settings) -> Program | None:
    """Return the user's program, or None if there is none and none was asked for.

    A program that is no handler counts as not named. Raises ContractError when a program that a variable
    names is missing.
    """
    folders = code_folders(settings)
    named = settings.program
    places = [*folders, *other_folders(settings)] if named else folders
    requested = "" if _names_no_handler(named, places) else named
    name = requested or DEFAULT_PROGRAM
    name = name if name.endswith(".py") else f"{name}.py"
    program = _program_in(places if requested else folders, name) or _code_as_file(settings, name)
    if program:
        if settings.safe_models_only:
            safe = Variables.safe_models_only.name
            raise ModelLoadError(Fault(safe, f"true, and a handler {name!r}", "a model file without code"))
        return program
    if settings.submit_directory or requested:
        found = f"no file {name!r} in {' or '.join(map(str, dict.fromkeys(places)))}"
        expected = "the name of a Python file in the code folder, or its absolute path"
        raise ContractError(Fault(Variables.program.name, found, expected))
    return None


def _program_in(folders: Sequence[Path], name: str) -> Program | None:
    for folder in folders:
        if path := _file_below(folder, name):
            return Program(folder.absolute(), path)
    path = Path(name)
    if path.is_absolute() and ".." not in path.parts and is_file(path):
        return Program(path.parent, path)
    return None


def _code_as_file(settings: Settings, name: str) -> Program | None:
    """Return the handler that `COPY inference.py /opt/ml/code` makes of that folder, if it is one."""
    file = settings.layout.code
    if settings.submit_directory or not is_file(file) or not is_handler(file):
        return None
    return Program(file.parent, file, Path(name).stem)


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


def other_folders(settings: Settings) -> list[Path]:
    """Return where else a named file may be: in the folder that we are in, beside the model's files."""
    if settings.submit_directory:
        return []
    try:
        return [Path.cwd(), settings.layout.model]
    except OSError:  # it has been removed
        return [settings.layout.model]


def find_code(settings: Settings) -> Program | None:
    """Return the user's program or serving module, None if there is none in a code folder."""
    if not settings.serving_module:
        return find_program(settings)
    return None if settings.safe_models_only else _find_serving_module(settings)


def find_module(settings: Settings) -> Program:
    """Return the serving module's file, in the code folder or else installed; raises ContractError.

    With SAGEMAKER_SAFE_MODELS_ONLY it is an installed one alone.
    """
    found = find_code(settings)
    if found:
        return found
    name = split_name(settings)[0]
    safe = settings.safe_models_only
    origin = _find_installed(name, code_of_models(settings.layout) if safe else [])
    if origin is None and safe:
        safely = f"with {Variables.safe_models_only.name}=true"
        raise ContractError(serving_module_fault(f"no installed module {name!r}, {safely}"))
    if origin is None:
        folders = " or ".join(map(str, [*code_folders(settings), *other_folders(settings)]))
        fault = serving_module_fault(f"no module {name!r} in {folders}, and none installed")
        action = f"Name its folder in {Variables.submit_directory.name} or in PYTHONPATH."
        raise ContractError(fault._replace(action=action))
    return Program(origin.parent, origin)


def split_name(settings: Settings) -> tuple[str, str]:
    """Return the module's name and the attribute's."""
    assert settings.serving_module is not None
    name, _, attribute = settings.serving_module.partition(":")
    return name, attribute.removesuffix("()")


def serving_module_fault(found: str) -> Fault:
    """Return a fault of SAGEMAKER_SERVING_MODULE."""
    return Fault(Variables.serving_module.name, found, "package.module:attribute of a WSGI callable")


def is_handler(path: Path) -> bool:
    """Return whether a Python file has one of the contract's functions, or may have one by `import *`.

    A model server's custom service counts too: a function `handle`, or a class with such a method.

    A file that cannot be read or parsed counts as one: its import will say what is wrong with it.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(name in SIGNATURES or name in {"*", _ENTRY} for name in bound_names(tree.body))


def _find_installed(name: str, refused: Sequence[Path]) -> Path | None:
    """Return the file of a module on the path, unless it or a package that it is in lies in a refused folder.

    To look for a module imports the packages that it is in: each is looked at before it is imported.
    """
    parts = name.split(".")
    spec = None
    for depth in range(1, len(parts) + 1):
        try:
            spec = importlib.util.find_spec(".".join(parts[:depth]))
        except (ModuleNotFoundError, ValueError):  # ValueError: `__main__`, which has none
            return None
        places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
        if not spec or any(lies_in(place, refused) for place in places if place):
            return None
    return Path(spec.origin) if spec and spec.origin else None


def _find_serving_module(settings: Settings) -> Program | None:
    parts = split_name(settings)[0].split(".")
    for folder in [*code_folders(settings), *other_folders(settings)]:
        path = folder.absolute().joinpath(*parts)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if is_file(file):
                return Program(folder.absolute(), file)
    return None


def _names_no_handler(name: str | None, folders: list[Path]) -> bool:
    """Return whether the first file of a program's name is no handler."""
    program = _program_in(folders, name or "")
    path = program.path if program else None
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


def bound_names(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind in their module, whatever condition they stand under.

    `*` is one that an import of everything binds, and `handle` also a class with such a method.
    """
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name
        elif isinstance(statement, ast.ClassDef):
            yield statement.name
            methods = [node.name for node in statement.body if isinstance(node, ast.FunctionDef)]
            bases = [ast.unparse(base).rpartition(".")[2] for base in statement.bases]
            if _ENTRY in methods or not _SERVICES.isdisjoint(bases):
                yield _ENTRY
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in statement.names)
        else:
            for node in ast.iter_child_nodes(statement):
                if isinstance(node, ast.stmt):
                    yield from bound_names([node])
                else:
                    yield from (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
                    yield from bound_names([part for part in ast.walk(node) if isinstance(part, ast.stmt)])
