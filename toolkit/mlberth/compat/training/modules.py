"""Modules of the user's: found, imported, run."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import mlberth
from mlberth.compat.training.errors import ImportModuleError
from mlberth.compat.training.processes import download_and_extract, install, run

DEFAULT_MODULE_NAME = "default_user_module_name"


def exists(name: str) -> bool:
    """Return whether a module can be found."""
    return importlib.util.find_spec(name) is not None


def has_requirements(path: str) -> bool:
    """Return whether a folder has a requirements.txt."""
    return (Path(path) / "requirements.txt").is_file()


def download_and_install(uri: str, name: str = DEFAULT_MODULE_NAME, cache: Any = True) -> None:  # noqa: ARG001
    """Bring a module's code into the code folder, and install what it asks for."""
    code = _folder(uri)
    install(code)


def import_module(uri: str, name: str = DEFAULT_MODULE_NAME, cache: Any = None) -> ModuleType:  # noqa: ARG001
    """Return the module of a folder, of an archive or of an s3:// address; raises ImportModuleError."""
    code = _folder(uri)
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name.removesuffix(".py"))
    except Exception as error:
        raise ImportModuleError(f"{name}: {type(error).__name__}: {error}") from error


def run_module(  # noqa: PLR0917 - both toolkits' signature
    module_uri: str,
    args: Sequence[str],
    env_vars: Mapping[str, str] | None = None,
    name: str = DEFAULT_MODULE_NAME,
    cache: Any = None,  # noqa: ARG001 - the same
    wait: bool = True,
    capture_error: bool = False,
) -> subprocess.Popen[bytes]:
    """Run a module as a program; raises ExecuteUserScriptError if it fails."""
    return run(module_uri, name, args, env_vars, wait, capture_error)


def _folder(uri: str) -> Path:
    if Path(uri).is_dir():
        return Path(uri).absolute()
    code = mlberth.environment().layout.code
    download_and_extract(uri, str(code))
    return code
