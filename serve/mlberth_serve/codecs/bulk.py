"""Small bodies of several requests read in one go, and their answers written in one go.

To the bit and the byte they are what each would be by itself; None is for what has to be done that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlberth_serve.codecs import npy
from mlberth_serve.codecs.base import Array, Decoded
from mlberth_serve.codecs.numeric_rows import read_plain_texts, write_plain_rows
from mlberth_serve.media_types import CSV, JSON, NPY, MediaType


def read_all(bodies: Sequence[bytes | memoryview], media_type: MediaType) -> list[Decoded] | None:
    """Return what each body holds: .npy of one header, or CSV of plain numbers, all of one width."""
    # JSON is not joined: what lacks a bracket in one body could find it in the next.
    arrays: Sequence[Array] | None = None
    if media_type.name == NPY:
        arrays = npy.decode_alike(bodies)
    elif media_type.name == CSV and not media_type.parameters:
        arrays = read_plain_texts([bytes(body) for body in bodies])
    return None if arrays is None else [Decoded(array) for array in arrays]


def write_all(prediction: Any, sizes: Sequence[int], media_type: str) -> list[bytes] | None:
    """Return the answer for each of so many rows of an array of numbers, in CSV, bare JSON or .npy."""
    if type(prediction) is not np.ndarray or not prediction.ndim:
        return None
    if media_type == NPY:
        return npy.encode_rows(prediction, sizes)
    join = _JOINS.get(media_type)
    if join is None or prediction.ndim > 2:
        return None
    rows = write_plain_rows(prediction)
    if rows is None:
        return None
    answers, start = [], 0
    for size in sizes:
        answers.append(join(rows[start : start + size], prediction))
        start += size
    return answers


def _join_lines(rows: Sequence[bytes], prediction: Array) -> bytes:  # noqa: ARG001 - a join's signature
    return b"\n".join(rows) + b"\n"


def _join_items(rows: Sequence[bytes], prediction: Array) -> bytes:
    return b"[" + b",".join(rows) + b"]" if prediction.ndim == 1 else b"[[" + b"],[".join(rows) + b"]]"


_JOINS: dict[str, Callable[[Sequence[bytes], Array], bytes]] = {CSV: _join_lines, JSON: _join_items}
