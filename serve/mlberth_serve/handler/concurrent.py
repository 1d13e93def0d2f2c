"""The mark of a function whose streams may run at the same time in one worker."""

from __future__ import annotations

import inspect
from typing import TypeVar

_CONCURRENT = "mlberth_concurrent"
_YIELDS = "mlberth_yields"
_Marked = TypeVar("_Marked")


def concurrent(function: _Marked) -> _Marked:
    """Let a worker go on with other requests while a generator of this function makes its answer.

    Each generator runs in a thread of its own, so the model must stand being used by several threads.
    Async generators need no mark: they share the thread of an event loop.
    """
    setattr(function, _CONCURRENT, True)
    return function


def is_concurrent(function: object) -> bool:
    """Return whether a function is marked, or makes an async generator."""
    return bool(getattr(function, _CONCURRENT, False)) or inspect.isasyncgenfunction(function)


def is_generator(function: object) -> bool:
    """Return whether a function is written with `yield`."""
    if getattr(function, _YIELDS, False):
        return True
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def copy_marks(function: object, wrapper: object) -> None:
    """Let what is called in the place of a function be known as concurrent, or as a generator, like it."""
    if wrapper is not function:
        setattr(wrapper, _CONCURRENT, is_concurrent(function))
        setattr(wrapper, _YIELDS, is_generator(function))
