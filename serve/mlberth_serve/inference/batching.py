"""Several requests predicted in one call: their rows joined, and what comes back split again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def group_key(data: Any) -> tuple[object, ...] | None:
    """Return what the rows of requests must have in common to be joined; None for what stays alone."""
    # A Table's columns have names, which may differ from request to request.
    if type(data) is not np.ndarray or data.ndim < 2 or data.dtype.kind not in "biuf" or not data.size:
        return None
    return (data.dtype.str, data.shape[1:])


def join(arrays: Sequence[Any]) -> Any:
    """Return the rows of all arrays, one below the other."""
    return np.concatenate(arrays)


def split(prediction: Any, arrays: Sequence[Any]) -> list[Any] | None:
    """Return each array's part of a prediction; None where it is not one item for each row."""
    if not isinstance(prediction, np.ndarray | list | tuple) and not hasattr(prediction, "detach"):
        return None
    if np.ndim(prediction) == 0 or len(prediction) != sum(map(len, arrays)):
        return None
    return list(_parts(prediction, arrays))


def _parts(prediction: Any, arrays: Sequence[Any]) -> Iterator[Any]:
    start = 0
    for array in arrays:
        yield prediction[start : start + len(array)]
        start += len(array)
