"""The server of an application."""

from __future__ import annotations

from typing import NoReturn

from mlberth.compat.training.processes import serve

__all__ = ["next_safe_port", "start"]


def start(module_app: str) -> NoReturn:
    """Serve a WSGI callable, `package.module:attribute`, in the place of this program."""
    serve({"SAGEMAKER_SERVING_MODULE": module_app})


def next_safe_port(port_range: str | None = None, after: int | str | None = None) -> str:
    """Return the first port of a range such as 1111-2222, or the next; raises ValueError if there is none."""
    first, _, last = (port_range or "").partition("-")
    port = int(first) if after is None else int(after) + 1
    if port > int(last):
        raise ValueError(f"port {port}; expected one of {port_range}")
    return str(port)
