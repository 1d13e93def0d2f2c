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
    from mlberth_serve.handler.concurrent import concurrent
    from mlberth_serve.handler.context import Context
    from mlberth_serve.handler.response import Response
    from mlberth_serve.handler.retry import is_retry
    from mlberth_serve.handler.session import Session, SessionClosedError
    from mlberth_serve.handler.stateful_session import StatefulSession
    from mlberth_serve.handler.stream_items import Event
    from mlberth_serve.handler.streaming import json_lines, server_sent_events

__all__ = [
    "Context",
    "Event",
    "HTTPError",
    "Response",
    "Session",
    "SessionClosedError",
    "StatefulSession",
    "batched",
    "concurrent",
    "is_retry",
    "json_lines",
    "read_tensors",
    "server_sent_events",
]

_MODULES = {
    "Context": "mlberth_serve.handler.context",
    "Event": "mlberth_serve.handler.stream_items",
    "HTTPError": "mlberth_serve.errors",
    "Response": "mlberth_serve.handler.response",
    "Session": "mlberth_serve.handler.session",
    "SessionClosedError": "mlberth_serve.handler.session",
    "StatefulSession": "mlberth_serve.handler.stateful_session",
    "batched": "mlberth_serve.handler.batched",
    "concurrent": "mlberth_serve.handler.concurrent",
    "is_retry": "mlberth_serve.handler.retry",
    "json_lines": "mlberth_serve.handler.streaming",
    "read_tensors": "mlberth_serve.frameworks.safetensors",
    "server_sent_events": "mlberth_serve.handler.streaming",
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
