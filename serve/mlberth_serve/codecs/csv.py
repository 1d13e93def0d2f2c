r"""`text/csv`: rows of cells, always two-dimensional.

Reading:
- Cells are separated by commas and may stand in double quotes, with `""` for a quote inside.
- A row ends with LF, CRLF or CR. Blank rows are skipped; every other row has as many cells as the first.
- A cell is a number when Python's `float` takes it (`nan` and `inf` too; digits are ASCII, without
  `_`), missing when it is empty, text otherwise. What one cell is never depends on another.
- The array is float64, with nan for a missing cell; with text anywhere it is an object array of
  floats and str.
- `header=present` on the media type: the first row holds the names of the columns.

Writing: a row a line, each ended by LF; a one-dimensional array is a value a line. Numbers are as
short as they can be and still read back the same. A missing value is written `nan`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.codec import Array, Decoded, Table, as_array
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.errors import BadRequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_HEADER = {"present": 1, "absent": 0}


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body, of shape (rows, columns)."""
    header = media_type.parameters.get("header", "absent").lower()
    if header not in _HEADER:
        raise UnsupportedTypeError("The parameter `header` is neither present nor absent.")
    text = decode_text(body, media_type)
    if "\0" in text:
        raise BadRequestError("The CSV body holds a NUL character.")
    rows = _split(text)
    names = rows.pop(0) if rows and _HEADER[header] else None
    if not rows:
        raise BadRequestError("The CSV body holds no rows.")
    _check_widths(rows if names is None else [names, *rows])
    array = _array(rows, plain=text.isascii() and "_" not in text)
    return Decoded(array if names is None else Table.of(array, [name.strip() for name in names]))


def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions."""
    array = np.atleast_1d(as_array(value))
    if array.ndim > 2:
        raise ValueError(f"text/csv holds at most two dimensions, not {array.ndim}")
    if array.dtype.kind in "iuf" and array.dtype.itemsize <= 8 and np.isfinite(array).all():
        return _encode_numbers(array)
    if array.dtype.kind == "f":
        array = array.astype(str)  # the shortest text of each float's own width
    rows = array.tolist()
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows if array.ndim == 2 else ([cell] for cell in rows))
    return file.getvalue().encode()


def _split(text: str) -> list[list[str]]:
    if '"' in text:
        try:
            return [
                row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row and row != [""]
            ]
        except csv.Error as error:
            raise BadRequestError(f"The CSV body cannot be read: {error}.") from None
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return [line.split(",") for line in text.split("\n") if line and not line.isspace()]


def _check_widths(rows: Sequence[list[str]]) -> None:
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise BadRequestError(f"Row {number} of the CSV body has {len(row)} cells; row 1 has {width}.")


def _array(rows: list[list[str]], *, plain: bool) -> Array:
    if plain:
        try:
            return np.array([[float(cell) for cell in row] for row in rows])
        except ValueError:
            pass  # an empty cell or text
    cells = [[_cell(cell) for cell in row] for row in rows]
    has_text = any(isinstance(cell, str) for row in cells for cell in row)
    return np.array(cells, dtype=object if has_text else float)


def _cell(text: str) -> float | str:
    if not text or text.isspace():
        return math.nan
    if "_" in text or not text.isascii():
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _encode_numbers(array: Array) -> bytes:
    """Let orjson write the numbers, by far the fastest way, and put line ends for its brackets."""
    array = np.ascontiguousarray(array)
    if array.size == 0:
        return b"\n" * (len(array) if array.ndim == 2 else 0)
    text = orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)
    if array.ndim == 1:
        return text[1:-1].replace(b",", b"\n") + b"\n"
    return text[2:-2].replace(b"],[", b"\n") + b"\n"
