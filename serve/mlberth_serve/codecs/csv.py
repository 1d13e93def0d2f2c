"""`text/csv`: rows of cells, always two-dimensional.

Plain numbers and missing cells go through orjson, which is many times faster than Python's `csv` and `float`,
or than numpy: but for its brackets such text is JSON. `csv_cells` has all other text, by the same rules.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.base import Array, Decoded, decode_text
from mlberth_serve.codecs.csv_cells import name_columns, read_cells, write_cells
from mlberth_serve.codecs.values.arrays import to_array
from mlberth_serve.errors import UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_PIECE = 262144
"""How many bytes are read at a time: of many more, the numbers as Python's objects leave the CPU's cache."""
BLANK = b" \t\r\n"
"""What may stand around a text and each of its numbers."""
_WHOLE_MINUS_ZERO = re.compile(rb"-0(?![.0-9])")
"""To JSON it is the integer 0, to `float` it is -0.0."""
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


# A row a line, each ended by LF; a one-dimensional array is a value a line. Numbers are as short as they
# can be and still read back the same. A number that is missing is written `nan`, and any other value as an
# empty cell.
def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions; raises TypeError for cells that are no text and no number."""
    is_plain = type(value) is np.ndarray and value.dtype.kind in "iuf" and value.dtype.isnative
    array = np.atleast_1d(value if is_plain else to_array(value))
    if array.ndim > 2:
        raise ValueError(f"text/csv holds at most two dimensions, not {array.ndim}")
    if array.dtype.kind in "iuf":
        text = write_plain(array)
        if text is not None:
            return text
        array = array.astype(str)  # the shortest text of each float's own width
    return write_cells(array)


def read_plain(text: bytes) -> Array | None:
    """Return the float64 rows of a text of numbers and missing cells, None for any other text."""
    text = text.strip(BLANK)
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
    return name_columns(array, names)


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
        return pack_cells(cells, 1)
    width = text.count(b",", 0, end) + 1
    # To count the newlines would take as long as to read a tenth of the numbers: that a null stands at the
    # end of each row, and (to `struct`) nowhere else, says the same.
    height, rest = divmod(len(cells) + 1, width + 1)
    if rest or cells[width :: width + 1].count(None) != height - 1:
        raise ValueError("the rows differ in width")
    del cells[width :: width + 1]
    return pack_cells(cells, height)


def pack_cells(cells: list[Any], height: int) -> Array:
    """Return the numbers of so many rows as float64, faster than numpy does if there are many."""
    array = np.empty((height, len(cells) // height))
    struct.pack_into(f"{len(cells)}d", array.data, 0, *cells)
    return array


def _fill_gaps(json: bytes) -> bytes:
    """Put null, which numpy makes nan, where cells are missing."""
    json = json.replace(b"nan", b"null").replace(b"[,", b"[null,").replace(b",]", b",null]")
    return json.replace(b",,", b",null,").replace(b",,", b",null,")
