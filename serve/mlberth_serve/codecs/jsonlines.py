"""`application/jsonlines`: one JSON value a line.

Reading: each line is a row: a list, an item of the AWS common format, or a number or text, which is a row of
one cell. Blank lines are skipped. The rules for types are those of `application/json`; lines that
are other objects give a one-dimensional array of dicts.

Writing: an item of the outermost list a line, each line ended by LF.
"""

from __future__ import annotations

from typing import Any

from mlberth_serve.codecs.base import Decoded, as_array
from mlberth_serve.codecs.json import encode as encode_json
from mlberth_serve.codecs.json import features, parse, to_array
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body, of shape (lines, cells, …)."""
    lines = decode_text(body, media_type).split("\n")
    rows = [_row(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise BadRequestError("The JSON Lines body holds no lines.")
    return Decoded(to_array(rows))


def encode(value: Any) -> bytes:
    """Write each item of a list or array on its own line; any other value is one line."""
    if isinstance(value, str | bytes | dict):
        items: Any = [value]
    elif isinstance(value, list | tuple):
        items = value
    else:
        items = as_array(value)
        items = items if items.ndim else [items]
    return b"".join(encode_json(item) + b"\n" for item in items)


def _row(line: str, number: int) -> Any:
    value = features(parse(line, f"Line {number} of the body"))
    return [value] if value is None or isinstance(value, str | int | float) else value
