"""The modules that a model's processes will need, guessed from its files without running any of its code."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from mlberth_serve.usercode.locate import Program

# The first that a model needs is what it is forked from; xgboost and torch import much of what the others do.
_MODULES = {
    "torch": ("torch",),
    "xgboost": ("xgboost", "sklearn.base", "scipy.sparse"),
    "sklearn": (
        "sklearn.compose",
        "sklearn.ensemble",
        "sklearn.impute",
        "sklearn.linear_model",
        "sklearn.neighbors",
        "sklearn.pipeline",
        "sklearn.preprocessing",
        "sklearn.svm",
        "sklearn.tree",
        "joblib",
    ),
}
"""What is imported for each framework. ONNX Runtime starts threads, which no forked process would have."""
_OF_SUFFIXES = {
    ".pt": "torch",
    ".pth": "torch",
    ".ubj": "xgboost",
    ".json": "xgboost",
    ".bst": "xgboost",
    ".xgb": "xgboost",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "sklearn",
}
_OF_IMPORTS = {"torch": "torch", "xgboost": "xgboost", "sklearn": "sklearn", "joblib": "sklearn"}
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"xgb", b"binf")


def warm_framework(folder: Path, program: Program | None) -> str:
    """Return the framework that a model's processes are forked from; "" is none.

    A wrong guess costs the time of an import, or its memory, and nothing else.
    """
    needed = set(_imported(program)) if program else set()
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            needed.add(_OF_SUFFIXES.get(path.suffix) or _of_content(path))
    return next((name for name in _MODULES if name in needed and find_spec(name)), "")


def warm_modules(framework: str) -> tuple[str, ...]:
    """Return what to import for a framework."""
    return _MODULES.get(framework, ())


def _of_content(path: Path) -> str:
    """Return the framework of a file without a suffix, as xgboost's containers have them."""
    if path.suffix or not path.is_file():
        return ""
    with path.open("rb") as file:
        return "xgboost" if file.read(4).startswith(_PICKLES) else ""


def _imported(program: Program) -> Iterator[str]:
    with contextlib.suppress(OSError, SyntaxError, ValueError):  # its import says what is wrong with it
        for node in ast.walk(ast.parse(program.path.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (_OF_IMPORTS.get(name.partition(".")[0], "") for name in names)
