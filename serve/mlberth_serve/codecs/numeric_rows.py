"""Rows of plain numbers, between lines of text and arrays, through orjson.

But for its brackets such text is JSON, and orjson reads and writes it many times faster than Python's
`csv` and `float`, or than numpy. What is JSON and would be read otherwise there is told apart before.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.base import Array

_PIECE = 262144
"""How many bytes are read at a time: of many more, the numbers as Python's objects leave the CPU's cache."""
_ALIKE = frozenset({"<i4", "<i8", "<u4", "<u8", "<f4", "<f8"})
_BLANK = b" \t\r\n"
_WHOLE_MINUS_ZERO = re.compile(rb"-0(?![.0-9])")
"""To JSON it is the integer 0, to `float` it is -0.0."""


def read_plain(text: bytes) -> Array | None:
    """Return the float64 rows of a text of numbers and missing cells, None for any other text."""
    text = text.strip(_BLANK)
    # Text, lists, true, false and objects are JSON too; no number has any of these.
    if not text or b'"' in text or b"[" in text or b"t" in text or b"f" in text or b"{" in text:
        return None
    if b"n" in text and text.count(b"n") != 2 * text.count(b"nan"):  # `null`, which is text here
        return None
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        rows = (
            _read_piece(text) if len(text) <= _PIECE else np.concatenate([*map(_read_piece, _pieces(text))])
        )
    except (ValueError, struct.error):  # what is no JSON, and rows that differ in width
        return None
    # The search comes last: it takes more than all of the others together.
    if b"-" in text and not rows.all() and _WHOLE_MINUS_ZERO.search(text):
        return None
    return rows if rows.size else None


def read_plain_texts(texts: Sequence[bytes]) -> list[Array] | None:
    """Return what `read_plain` would of each text; None if not all are plain, or of one width."""
    texts = [text.strip(_BLANK) for text in texts]
    joined = b"\n".join(texts)
    rows = None if b"\r" in joined else read_plain(joined)
    if rows is None or not all(texts):
        return None
    ends = accumulate([text.count(b"\n") + 1 for text in texts], initial=0)
    return [rows[start:end] for start, end in pairwise(ends)]


def write_plain(array: Array) -> bytes | None:
    """Write numbers, a row a line, as short as they read back the same, nan as `nan`.

    The array is of one or two dimensions. None if JSON has no word for something in it: an
    infinity, or floats of more than 64 bits.
    """
    if array.size == 0:
        return b"\n" * (len(array) if array.ndim == 2 else 0)
    if array.dtype.itemsize > 8:
        return None
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:
        if np.isinf(array).any():
            return None
        text = text.replace(b"null", b"nan")
    if array.ndim == 1:
        return text[1:-1].replace(b",", b"\n") + b"\n"
    return text[2:-2].replace(b"],[", b"\n") + b"\n"


def write_plain_rows(array: Array) -> list[bytes] | None:
    """Return each row of a one- or two-dimensional array as numbers with commas between.

    None if not all are numbers that CSV and JSON write alike.
    """
    if array.dtype.str not in _ALIKE or not array.size:
        return None
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:
        return None
    return text[1:-1].split(b",") if array.ndim == 1 else text[2:-2].split(b"],[")


def pack(rows: Sequence[Any]) -> Array:
    """Return rows of numbers as float64, faster than numpy does if there are many.

    Raises ValueError, TypeError or struct.error for anything else.
    """
    if len(set(map(len, rows))) > 1:
        raise ValueError("the rows differ in width")
    cells: list[Any] = []
    for row in rows:
        cells += row
    return _pack_cells(cells, len(rows))


def _pieces(text: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + _PIECE)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _read_piece(text: bytes) -> Array:
    """Raise ValueError or struct.error for what is not rows of numbers of one width.

    It becomes one flat list, with a null at the end of each row but the last: a list for each row would
    have to be made, and taken apart again.
    """
    try:
        cells = orjson.loads(b"".join((b"[", text, b"]")).replace(b"\n", b",null,"))
    except orjson.JSONDecodeError:
        return np.array(orjson.loads(_fill_gaps(b"[[" + text.replace(b"\n", b"],[") + b"]]")), dtype=float)
    end = text.find(b"\n")
    if end < 0:
        return _pack_cells(cells, 1)
    width = text.count(b",", 0, end) + 1
    # To count the newlines would take as long as to read a tenth of the numbers: that a null stands at the
    # end of each row, and (to `struct`) nowhere else, says the same.
    height, rest = divmod(len(cells) + 1, width + 1)
    if rest or cells[width :: width + 1].count(None) != height - 1:
        raise ValueError("the rows differ in width")
    del cells[width :: width + 1]
    return _pack_cells(cells, height)


def _pack_cells(cells: list[Any], height: int) -> Array:
    array = np.empty((height, len(cells) // height))
    struct.pack_into(f"{len(cells)}d", array.data, 0, *cells)
    return array


def _fill_gaps(json: bytes) -> bytes:
    """Put null, which numpy makes nan, where cells are missing."""
    json = json.replace(b"nan", b"null").replace(b"[,", b"[null,").replace(b",]", b",null]")
    return json.replace(b",,", b",null,").replace(b",,", b",null,")
