"""`text/libsvm`: sparse rows of `column:value`, read only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array, Decoded, check_size, decode_text
from mlberth_serve.codecs.sparse import WIDEST, to_matrix
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_PIECE = 1 << 18
"""How many bytes are read at a time: as Python's objects they take many times as much as in arrays."""
_ROW, _CELL = 24, 48
"""What a row and a cell take, in bytes."""
_ENDS = b"\r\v\f\x1c\x1d\x1e", b"\n\n\n\n\n\n"
"""What Python takes for the ends of lines beside LF."""
_COMMENT = re.compile(rb"#[^\n]*")
_GROUP = re.compile(rb"^([ \t]*[^\s:]+[ \t]+)qid:\S*", re.MULTILINE)
_GROUP_ALONE = re.compile(rb"^[ \t]*qid:\S*", re.MULTILINE)


# - A row a line: cells apart by white space. A first cell without a colon is a label, which is left out,
#   and so are `qid:` and what follows `#`. Blank lines are skipped; a label alone is an empty row.
# - Columns count from 0, as XGBoost reads its own files; nothing is guessed from the numbers. A row that is
#   narrower than the model has no cells there.
def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body as a csr_matrix of float64."""
    return Decoded(to_matrix(*read_rows(decode_text(body, media_type))))


def read_rows(text: str) -> tuple[Array, Array, Array]:
    """Return the values and columns of all cells, and where each row begins among them and the last ends.

    Raises BadRequestError.
    """
    if not text.isascii() or "_" in text:  # which Python's numbers would take
        raise BadRequestError("The libsvm body holds something other than numbers.")
    check_size(_ROW * (text.count("\n") + text.count("\r")) + _CELL * text.count(":"), len(text))
    body = text.encode().replace(b"\r\n", b"\n").translate(bytes.maketrans(*_ENDS)).replace(b"\x1f", b" ")
    parts, number = [], 1
    for piece in _pieces(body):
        parts.append(_read_piece(piece, number))
        number += piece.count(b"\n") + 1
    values, columns, lengths = (np.concatenate(each) for each in zip(*parts, strict=True))
    if not len(lengths):
        raise BadRequestError("The libsvm body holds no rows.")
    return values, columns, np.concatenate(([0], np.cumsum(lengths)))


def _pieces(body: bytes) -> Iterator[bytes]:
    start = 0
    while start <= len(body):
        end = body.find(b"\n", start + _PIECE)
        end = len(body) if end < 0 else end
        yield body[start:end]
        start = end + 1


def _read_piece(piece: bytes, number: int) -> tuple[Array, Array, Array]:
    """Return the values and columns of the cells of whole lines, and how many cells each row has.

    All cells are read at once; where the lines stand is worked out from the places of the characters.
    """
    if b"#" in piece:
        piece = _COMMENT.sub(b"", piece)
    if b"q" in piece:
        piece = _GROUP_ALONE.sub(b"0", _GROUP.sub(rb"\1", piece))  # it makes a row, as a label does
    octets = np.frombuffer(piece, np.uint8)
    ends = np.append(np.flatnonzero(octets == ord("\n")), len(octets))
    is_space = (octets == ord(" ")) | (octets == ord("\t")) | (octets == ord("\n"))
    starts = np.flatnonzero(~is_space & np.concatenate(([True], is_space[:-1])))  # of labels and cells
    rows = np.searchsorted(ends, starts)
    is_first = np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    colons = np.flatnonzero(octets == ord(":"))
    is_cell = np.zeros(len(starts), bool)
    is_cell[np.searchsorted(starts, colons, side="right") - 1] = True
    numbers = piece.replace(b":", b" ").split()
    if len(colons) != is_cell.sum() or not (is_cell | is_first).all():
        _refuse(piece, number)
    if len(numbers) != len(starts) + len(colons):  # nothing on one side of a colon
        _refuse(piece, number)
    if not len(colons):
        numbers = []
    elif len(colons) < len(starts):  # there are labels, each in the place of a cell's two numbers
        places = np.arange(len(starts)) + np.concatenate(([0], np.cumsum(is_cell)[:-1]))
        for place in places[~is_cell].tolist():
            numbers[place] = b""
        numbers = [*filter(None, numbers)]
    try:
        columns = np.array([*map(int, numbers[::2])], dtype=np.int64)
        values = np.array([*map(float, numbers[1::2])], dtype=np.float64)
    except (ValueError, OverflowError):
        _refuse(piece, number)
    if len(columns) and not 0 <= columns.min() <= columns.max() <= WIDEST:
        _refuse(piece, number)
    counts = np.bincount(rows[is_cell], minlength=len(ends))
    return values, columns, counts[np.bincount(rows, minlength=len(ends)) > 0]


def _refuse(piece: bytes, number: int) -> Any:
    """Raise BadRequestError that names the line at fault."""
    for line in piece.split(b"\n"):
        cells = line.split()
        for place, cell in enumerate(cells):
            column, colon, value = cell.partition(b":")
            try:
                if not colon and not place:
                    continue
                float(value)
                if not 0 <= int(column) <= WIDEST:
                    message = f"Line {number} of the libsvm body has a column that cannot be."
                    raise BadRequestError(message)
            except ValueError:
                message = f"Line {number} of the libsvm body is not cells of column:value."
                raise BadRequestError(message) from None
        number += 1
    raise BadRequestError("The libsvm body is not lines of column:value.")
