"""`application/jsonlines`: one JSON value a line."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import SMALL, Array, Decoded, check_size, decode_text
from mlberth_serve.codecs.json import check_text, features, parse, to_array
from mlberth_serve.codecs.json import encode as encode_json
from mlberth_serve.codecs.values.simple import simplify
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_ONE = (str, dict, int, float, type(None))
"""Values that are one line."""
_LINE = 40
"""What the list that a line of one cell becomes takes, beside the line's own lists."""


# Each line is a row: a list, an item of the AWS common format, or a number or text, which is a row of one
# cell. Blank lines are skipped. The rules for types are those of `application/json`; lines that are other
# objects give a one-dimensional array of dicts.
def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body, of shape (lines, cells, …)."""
    check_size(body.count(b"\n") * _LINE, len(body))
    check_text(body)
    text = decode_text(body, media_type)
    array = _read_numbers(text) if len(body) > SMALL else None
    if array is not None:
        return Decoded(array)
    lines = enumerate(io.StringIO(text, newline="\n"), 1)  # one after the other, and never a list of all
    rows = [_row(line.removesuffix("\n"), number) for number, line in lines if line.strip()]
    if not rows:
        raise BadRequestError("The JSON Lines body holds no lines.")
    return Decoded(to_array(rows, len(body)))


def _read_numbers(text: str) -> Array | None:
    """Return lines of one number each, read at once; None for any others.

    Without brackets and quotes there are no more numbers than lines only if each line has its own.
    """
    if any(mark in text for mark in '[{"'):
        return None
    lines = text.strip("\n")
    with suppress(BadRequestError):
        items = parse("[" + lines.replace("\n", ",") + "]", "The body")
        if len(items) == lines.count("\n") + 1:
            array: Array = to_array(items, len(text)).reshape(-1, 1)
            return array
    return None


# An item of the outermost list a line, each line ended by LF.
def encode(value: Any) -> bytes:
    """Write each item of a list or array on its own line; any other value is one line."""
    items = value
    if isinstance(value, np.ndarray):
        items = value if value.ndim else [value]
    elif not isinstance(value, list | tuple):
        simple = value if isinstance(value, _ONE) else simplify(value)
        items = simple if isinstance(simple, list | np.ndarray) else [simple]
    return b"".join(encode_json(item) + b"\n" for item in items)


def _row(line: str, number: int) -> Any:
    value = features(parse(line, f"Line {number} of the body"))
    return [value] if value is None or isinstance(value, str | int | float) else value
