"""Small bodies of several requests read in one go, and their answers written in one go.

To the bit and the byte they are what each would be by itself; None is for what has to be done that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs import npy
from mlberth_serve.codecs.base import Array, Decoded
from mlberth_serve.codecs.csv import BLANK, read_plain
from mlberth_serve.media_types import CSV, JSON, NPY, MediaType

_ALIKE = frozenset({"<i4", "<i8", "<u4", "<u8", "<f4", "<f8"})


def read_all(bodies: Sequence[bytes | memoryview], media_type: MediaType) -> list[Decoded] | None:
    """Return what each body holds: .npy of one header, or CSV of plain numbers, all of one width."""
    # JSON is not joined: what lacks a bracket in one body could find it in the next.
    arrays: Sequence[Array] | None = None
    if media_type.name == NPY:
        arrays = npy.decode_alike(bodies)
    elif media_type.name == CSV and not media_type.parameters:
        arrays = _read_plain_texts([bytes(body) for body in bodies])
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
    rows = _write_plain_rows(prediction)
    if rows is None:
        return None
    answers, start = [], 0
    for size in sizes:
        answers.append(join(rows[start : start + size], prediction))
        start += size
    return answers


def _read_plain_texts(texts: Sequence[bytes]) -> list[Array] | None:
    """Return what `read_plain` would of each text; None if not all are plain, or of one width."""
    texts = [text.strip(BLANK) for text in texts]
    joined = b"\n".join(texts)
    rows = None if b"\r" in joined else read_plain(joined)
    if rows is None or not all(texts):
        return None
    ends = accumulate([text.count(b"\n") + 1 for text in texts], initial=0)
    return [rows[start:end] for start, end in pairwise(ends)]


def _write_plain_rows(array: Array) -> list[bytes] | None:
    """Return each row of a one- or two-dimensional array as numbers with commas between.

    None if not all are numbers that CSV and JSON write alike.
    """
    if array.dtype.str not in _ALIKE or not array.size:
        return None
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:
        return None
    return text[1:-1].split(b",") if array.ndim == 1 else text[2:-2].split(b"],[")


def _join_lines(rows: Sequence[bytes], prediction: Array) -> bytes:  # noqa: ARG001 - a join's signature
    return b"\n".join(rows) + b"\n"


def _join_items(rows: Sequence[bytes], prediction: Array) -> bytes:
    return b"[" + b",".join(rows) + b"]" if prediction.ndim == 1 else b"[[" + b"],[".join(rows) + b"]]"


_JOINS: dict[str, Callable[[Sequence[bytes], Array], bytes]] = {CSV: _join_lines, JSON: _join_items}
