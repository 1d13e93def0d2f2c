"""The `serve` command, and what a handler imports of it.

    from mlberth_serve import Context, HTTPError, Response, batched

Each name is imported when it is first asked for, so that starting a server imports none of them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take the name for true; `typing` itself would cost every start 2 ms

if TYPE_CHECKING:
    from mlberth_serve.errors import HTTPError
    from mlberth_serve.frameworks.safetensors import read_tensors
    from mlberth_serve.handler.batched import batched
    from mlberth_serve.handler.context import Context
    from mlberth_serve.handler.response import Response
    from mlberth_serve.handler.retry import is_retry

__all__ = ["Context", "HTTPError", "Response", "batched", "is_retry", "read_tensors"]

_MODULES = {
    "Context": "mlberth_serve.handler.context",
    "HTTPError": "mlberth_serve.errors",
    "Response": "mlberth_serve.handler.response",
    "batched": "mlberth_serve.handler.batched",
    "is_retry": "mlberth_serve.handler.retry",
    "read_tensors": "mlberth_serve.frameworks.safetensors",
}


def __getattr__(name: str) -> object:
    """Return a public name, imported now."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
