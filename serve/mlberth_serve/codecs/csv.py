"""`text/csv`: rows of cells, always two-dimensional.

Numbers and missing cells alone are read and written by `numeric_rows`, by the same rules.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array, Decoded, Table, check_names, check_size, decode_text, encode_text
from mlberth_serve.codecs.numeric_rows import read_plain, write_plain
from mlberth_serve.codecs.values.arrays import to_array
from mlberth_serve.codecs.values.simple import to_rows
from mlberth_serve.errors import BadRequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_CELLS = 65536
_CELL = 64
"""What a cell of a text that is no plain numbers takes, in bytes, beside its own text."""
_BEGINNINGS = frozenset("0123456789+-.iInN \t\r\n\v\f\x1c\x1d\x1e\x1f")
"""What `float` takes begins with one of these: most text need not be tried."""
_HEADER = {"present": True, "absent": False}


# - Cells are separated by commas and may stand in double quotes, with `""` for a quote inside.
# - A row ends with LF, CRLF or CR. Blank rows are skipped; every other row has as many cells as the first.
# - A cell is a number when Python's `float` takes it (`nan` and `inf` too; digits are ASCII, without `_`),
#   missing when it is empty, text otherwise. No cell depends on another.
# - The array is float64, with nan for a missing cell; with text anywhere it is an object array of floats
#   and str.
# - `header=present` on the media type: the first row holds the names of the columns.
def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body, of shape (rows, columns)."""
    header = bool(media_type.parameters) and _has_header(media_type)
    array = _read_below_names(body, media_type) if header else read_plain(body)
    return Decoded(read_cells(decode_text(body, media_type), header=header) if array is None else array)


def read_cells(text: str, *, header: bool = False) -> Array:
    """Return the rows of any text; with a header, a Table. Raises BadRequestError."""
    if "\0" in text:
        raise BadRequestError("The CSV body holds a NUL character.")
    rows = _split(text)
    names = next(rows, None) if header else None
    parts = [*_read_parts(rows, len(text), names)]
    if not parts:
        raise BadRequestError("The CSV body holds no rows.")
    array = parts[0] if len(parts) == 1 else _join(parts)
    return array if names is None else _named(array, names)


# A row a line, each ended by LF; a one-dimensional array is a value a line. Numbers are as short as they
# can be and still read back the same. A number that is missing is written `nan`, and any other value as an
# empty cell.
def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions; raises TypeError for cells that are no text and no number."""
    array = np.atleast_1d(to_array(value))
    if array.ndim > 2:
        raise ValueError(f"text/csv holds at most two dimensions, not {array.ndim}")
    if array.dtype.kind in "iuf":
        text = write_plain(array)
        if text is not None:
            return text
        array = array.astype(str)  # the shortest text of each float's own width
    rows = to_rows(array)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows if array.ndim == 2 else zip(rows, strict=True))
    return encode_text(file.getvalue())


def _has_header(media_type: MediaType) -> bool:
    """Raise UnsupportedTypeError for a parameter that is not understood."""
    _ = media_type.codec  # plain numbers look alike in every charset, but it has to be one that is known
    header = media_type.parameters.get("header", "absent").lower()
    if header not in _HEADER:
        raise UnsupportedTypeError("The parameter `header` is neither present nor absent.")
    return _HEADER[header]


def _read_below_names(body: bytes, media_type: MediaType) -> Array | None:
    """Return a Table of plain numbers, None for any other text."""
    first, _, rest = body.lstrip().partition(b"\n")
    first = first.rstrip(b"\r")
    if b'"' in first or b"\r" in first or b"\0" in first:
        return None
    names = decode_text(first, media_type).split(",")
    array = read_plain(rest) if any(name.strip() for name in names) else None
    if array is None or array.shape[1] != len(names):
        return None
    return _named(array, names)


def _named(array: Array, names: Sequence[str]) -> Table:
    names = [name.strip() for name in names]
    check_names(names)
    return Table.of(array, names)


def _split(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row, one row after the other: all of them at once take much more."""
    if '"' in text:
        try:
            yield from (
                row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row and row != [""]
            )
        except csv.Error as error:
            raise BadRequestError(f"The CSV body cannot be read: {error}.") from None
        return
    for line in io.StringIO(text, newline=None):  # LF, CRLF and CR are the ends of lines
        if not line.isspace():
            yield line.removesuffix("\n").split(",")


def _read_parts(rows: Iterator[list[str]], length: int, names: Sequence[str] | None) -> Iterator[Array]:
    """Yield so many rows at a time as hold a good number of cells: floats, or objects if there is text."""
    width, number, size = (0, 1, 0) if names is None else (len(names), 2, 0)
    for first in rows:
        width = width or len(first)
        part = [first, *islice(rows, _CELLS // width)]
        for row in part:
            if len(row) != width:
                found = f"Row {number} of the CSV body has {len(row)} cells; row 1 has {width}."
                raise BadRequestError(found)
            number += 1
        array = _array(part)
        if size or array.dtype == object:  # with text anywhere all cells become objects
            size = size or _CELL * width * (number - 1 - len(part))
            size += _CELL * array.size
            check_size(size, length)
        yield array


def _join(parts: list[Array]) -> Array:
    """Return parts one below the other; each is let go as soon as it is copied."""
    kind: Any = object if any(part.dtype == object for part in parts) else float
    array = np.empty((sum(map(len, parts)), parts[0].shape[1]), kind)
    end = len(array)
    while parts:
        part = parts.pop()
        array[end - len(part) : end] = part
        end -= len(part)
    return array


def _array(rows: list[list[str]]) -> Array:
    cells = [_cell(cell) for row in rows for cell in row]
    has_text = str in set(map(type, cells))
    return np.array(cells, dtype=object if has_text else float).reshape(len(rows), -1)


def _cell(text: str) -> float | str:
    if not text or text.isspace():
        return math.nan
    if text[0] not in _BEGINNINGS or "_" in text or not text.isascii():
        return text
    try:
        return float(text)
    except ValueError:
        return text
