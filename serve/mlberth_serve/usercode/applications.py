"""WSGI applications, told from what people name in their place: factories, and applications of ASGI."""

from __future__ import annotations

import inspect
from typing import Any

from mlberth.errors import Fault
from mlberth_serve.usercode.locate import serving_module_fault

_WRAP = (
    "Wrap it: `from a2wsgi import ASGIMiddleware; wsgi = ASGIMiddleware(app)`, with a2wsgi in "
    "requirements.txt, and name `wsgi`; or write a handler."
)


def makes_application(value: Any) -> bool:
    """Return whether a value is a function that is called without arguments to make an application."""
    return inspect.isroutine(value) and not _is_async(value) and _takes(value, 0) and not _takes(value, 2)


def application_fault(value: Any, module: str, attribute: str) -> Fault | None:
    """Return what is wrong with a value as a WSGI application; None if nothing is."""
    if not callable(value):
        return serving_module_fault(f"nothing to call by the name {attribute!r} in {module}")
    if _is_async(value) or (_takes(value, 3) and not _takes(value, 2)):
        kind = type(value).__name__
        found = f"{module}:{attribute}, an ASGI application ({kind})"
        return serving_module_fault(found)._replace(action=_WRAP)
    return None


def _is_async(value: Any) -> bool:
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(
        getattr(type(value), "__call__", None)  # noqa: B004 - a class's method, not whether there is one
    )


def _takes(value: Any, count: int) -> bool:
    try:
        inspect.signature(value).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a built-in function that has no signature
        return count == 2
    return True
