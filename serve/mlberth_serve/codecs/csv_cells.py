"""Cells of CSV that are not all plain numbers: text, quotes, names of columns.

The rules are those of `csv`, which reads and writes plain numbers itself.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array, Table, check_names, check_size, encode_text
from mlberth_serve.codecs.values.simple import to_rows
from mlberth_serve.errors import BadRequestError

_CELLS = 65536
_CELL = 64
"""What a cell of a text that is no plain numbers takes, in bytes, beside its own text."""
_BEGINNINGS = frozenset("0123456789+-.iInN \t\r\n\v\f\x1c\x1d\x1e\x1f")
"""What `float` takes begins with one of these: most text need not be tried."""


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
    return array if names is None else name_columns(array, names)


def write_cells(array: Array) -> bytes:
    """Write an array of one or two dimensions; raises TypeError for cells that are no text and no number."""
    rows = to_rows(array)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows if array.ndim == 2 else zip(rows, strict=True))
    return encode_text(file.getvalue())


def name_columns(array: Array, names: Sequence[str]) -> Table:
    """Return an array whose columns have names; raises BadRequestError for a name that two of them have."""
    names = [name.strip() for name in names]
    check_names(names)
    return Table.of(array, names)


def _split(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row, one row after the other: all of them at once take much more."""
    if '"' in text:
        csv.field_size_limit(sys.maxsize)  # a body has its limit, and its cells need none
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
