"""SAGEMAKER_SERVING_MODULE: a module of the user's, and the WSGI callable in it."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from mlberth.errors import ContractError, Fault
from mlberth.paths import is_file
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.user_code import (
    Program,
    UserCodeError,
    add_to_path,
    code_folders,
    find_cause,
    find_program,
    forget,
)
from mlberth_serve.variables import Variables

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def find_code(settings: Settings) -> Program | None:
    """Return the user's program or serving module, None where there is none in a code folder."""
    return _find_in_folders(settings) if settings.serving_module else find_program(settings)


def find_module(settings: Settings) -> Program:
    """Return the serving module's file, in the code folder or else installed; raises ContractError."""
    found = _find_in_folders(settings)
    if found:
        return found
    name = _split(settings)[0]
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        folders = " or ".join(str(folder) for folder in code_folders(settings))
        raise ContractError(_fault(f"no module {name!r} in {folders}, and none installed"))
    return Program(Path(spec.origin).parent, Path(spec.origin))


def import_attribute(settings: Settings) -> WSGIApplication:
    """Import the module afresh and return its attribute; raises UserCodeError or ContractError."""
    program = find_module(settings)
    name, attribute = _split(settings)
    forget(program)
    add_to_path(program.folder)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise UserCodeError(find_cause(error, program, "import")) from error
    found: WSGIApplication | None = getattr(module, attribute, None)
    if not callable(found):
        raise ContractError(_fault(f"nothing to call by the name {attribute!r} in {name}"))
    return found


def _find_in_folders(settings: Settings) -> Program | None:
    parts = _split(settings)[0].split(".")
    for folder in code_folders(settings):
        path = folder.absolute().joinpath(*parts)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if is_file(file):
                return Program(folder.absolute(), file)
    return None


def _split(settings: Settings) -> tuple[str, str]:
    assert settings.serving_module is not None
    name, _, attribute = settings.serving_module.partition(":")
    return name, attribute


def _fault(found: str) -> Fault:
    return Fault(Variables.serving_module.name, found, "package.module:attribute of a WSGI callable")
