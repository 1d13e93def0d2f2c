"""Whether a file is a handler, told without running it.

SAGEMAKER_PROGRAM names the program of both commands, and an image that trains and serves has it set
to its training program. To import that would be to train.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mlberth_serve.usercode.signatures import SIGNATURES

_ENTRY = "handle"
_SERVICES = frozenset({"BaseHandler", "DefaultHandlerService"})
"""Classes that have the method for those that build on them: TorchServe's, sagemaker-inference-toolkit's."""


def is_handler(path: Path) -> bool:
    """Tell whether a Python file has one of the contract's functions, or may have one by `import *`.

    A model server's custom service counts too: a function `handle`, or a class with such a method.

    A file that cannot be read or parsed counts as one: its import will say what is wrong with it.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return True
    return any(name in SIGNATURES or name in {"*", _ENTRY} for name in _names(tree.body))


def _names(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind in their module, whatever condition they stand under."""
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
                    yield from _names([node])
                else:
                    yield from (part.id for part in ast.walk(node) if isinstance(part, ast.Name))
                    yield from _names([part for part in ast.walk(node) if isinstance(part, ast.stmt)])
