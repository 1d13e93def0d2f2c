"""The mark of a `predict_fn` that may be called with the rows of several requests at once.

It is for a model for which each row's prediction is its own, whatever rows stand beside it.
"""

from __future__ import annotations

from typing import TypeVar

DEFAULT_MAX_BATCH = 32
"""Requests at once, if nothing says otherwise."""

_MARK = "mlberth_batched"
_Marked = TypeVar("_Marked")


def batched(function: _Marked) -> _Marked:
    """Let a `predict_fn(data, model)` be called with the rows of several requests at once.

    It gets an array of all their rows and returns as many predictions, one for each row in the same
    order: an array, a list or a tensor. A `context` that it takes is that of no single request.
    """
    setattr(function, _MARK, True)
    return function


def is_batched(function: object) -> bool:
    """Return whether a function is marked."""
    return bool(getattr(function, _MARK, False))
