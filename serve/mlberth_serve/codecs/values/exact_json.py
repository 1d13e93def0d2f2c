"""JSON of values that orjson does not write: whole numbers beyond 64 bits, half of a surrogate pair.

orjson is tried for each part again, so that only what it refuses is written here.
"""

from __future__ import annotations

import json
from contextlib import suppress
from enum import Enum
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.values.simple import simplify, to_lists

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_EPOCH, _OLDEST = b'"1970-01-01T00:00:00"', b'"1677-09-21T00:12:43.145224"'


def may_be_no_time(text: bytes) -> bool:
    """Return whether what orjson wrote holds what it makes of numpy's NaT: a date, which may be meant too.

    Numbers alone have no "T", which is found a hundred times faster than they are written.
    """
    return b"T" in text and (_EPOCH in text or _OLDEST in text)


def write_exactly(value: Any, where: str = "") -> bytes:
    """Write any value; raises TypeError or ValueError for what JSON has no word for, with its place."""
    with suppress(TypeError):
        text = orjson.dumps(value, default=simplify, option=OPTIONS)
        if not may_be_no_time(text):
            return text
    if isinstance(value, str):
        return json.dumps(value).encode()  # half of a surrogate pair as its escape
    if isinstance(value, dict):
        items = (
            _write_key(key, where) + b":" + write_exactly(item, f"{where}[{key!r:.40}]")
            for key, item in value.items()
        )
        return b"{" + b",".join(items) + b"}"
    if isinstance(value, list | tuple):
        cells = (write_exactly(item, f"{where}[{index}]") for index, item in enumerate(value))
        return b"[" + b",".join(cells) + b"]"
    if isinstance(value, int) and not isinstance(value, Enum):
        return str(int(value)).encode()
    return write_exactly(_simpler(value, where), where)


def _simpler(value: Any, where: str) -> Any:
    try:
        if isinstance(value, np.ndarray | np.datetime64):  # of a type that orjson does not have
            return to_lists(np.asarray(value))
        return simplify(value)
    except (TypeError, ValueError) as error:
        place = f" at {where}" if where else ""
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"JSON cannot hold what was returned{place}: {error}") from error


def _write_key(key: Any, where: str) -> bytes:
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, str):
        return json.dumps(key).encode()
    try:
        return orjson.dumps({key: 0}, option=OPTIONS)[1:-3]
    except TypeError:
        if isinstance(key, int):
            return f'"{int(key)}"'.encode()
        place = f" at {where}" if where else ""
        raise TypeError(
            f"JSON cannot hold a key of type {type(key).__name__}{place}: expected text"
        ) from None
