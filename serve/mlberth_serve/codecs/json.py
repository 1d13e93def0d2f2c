"""`application/json`: a list, a list of lists, or an object that holds one."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from contextlib import suppress
from types import NoneType
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.base import SMALL, Array, Decoded, check_size, decode_text
from mlberth_serve.codecs.csv import pack_cells
from mlberth_serve.codecs.sparse import Row, to_csr
from mlberth_serve.codecs.values.exact_json import OPTIONS, may_be_no_time, write_exactly
from mlberth_serve.codecs.values.simple import simplify
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

ENVELOPES = {"instances": "predictions", "inputs": ""}
"""What a list may stand under, and what its answer stands under. Of two of them the last is meant."""
_MANY = 32
"""From so many rows on, numpy's own way from lists to an array is not the fastest."""
_LIST, _OBJECT, _ITEM = 88, 232, 32
"""What Python's objects take, in bytes: a list or an object with what it is counted by, and an item."""
_FEW = 4096
"""In a body of so few bytes each cell may be made as long as the longest: it takes 8 MB at most."""
_NUMBERS = frozenset({int, float, bool, NoneType})


# The value is a list, `{"instances": list}` or `{"inputs": list}`; an object with other keys is refused,
# since they would be lost. In the AWS common format an item `{"features": list}` stands for its list, and
# so does `{"data": {"features": {"values": list}}}`; `shape` beside `values` gives them that shape, `keys`
# makes a sparse row of them, and then every item has to be one. Lists nest to any depth but must be
# regular. numpy picks the type: integers int64, otherwise float64, with nan for null; with text or objects
# anywhere it is an object array. As in orjson the last of two equal keys wins, but in items, which would
# lose a column: these are refused. An integer beyond 64 bits becomes a float.
def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the array in a body, in the shape in which it was sent."""
    value = _parse_body(body, media_type)
    envelope = ""
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in ENVELOPES:
            raise BadRequestError('A JSON object has one key, "instances" or "inputs".')
        key, value = value.popitem()
        envelope = ENVELOPES[key]
    if not isinstance(value, list):
        raise BadRequestError('The JSON body is not a list, nor a list under "instances" or "inputs".')
    return Decoded(to_array(value, len(body)), envelope)


# nan and infinities are null, which JSON has instead; half of a surrogate pair is its escape. The response to
# a request with `instances` is
# `{"predictions": …}`; to any other it is the bare list.
def encode(value: Any) -> bytes:
    """Write arrays, and lists and maps of them; raises TypeError or ValueError for what JSON cannot hold."""
    try:
        text = orjson.dumps(value, default=simplify, option=OPTIONS)
    except TypeError:
        return write_exactly(value)
    return write_exactly(value) if may_be_no_time(text) else text


def parse(text: str | bytes, what: str) -> Any:
    """Return the JSON value of a text; `what` names it in the error."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"{what} cannot be read: {error}.") from None
    check_keys(text, value, what)
    return value


def check_text(text: str | bytes) -> None:
    """Refuse JSON that would take more than it may as Python's objects, before there are any."""
    if len(text) > SMALL:
        count: Any = text.count
        marks = ("[", "{", ",") if isinstance(text, str) else (b"[", b"{", b",")
        lists, objects, items = map(count, marks)
        check_size(_LIST * lists + _OBJECT * objects + _ITEM * items, len(text))


def _parse_body(body: bytes, media_type: MediaType) -> Any:
    check_text(body)
    if not media_type.parameters:
        try:
            value = orjson.loads(body)  # it reads UTF-8 itself
        except orjson.JSONDecodeError:
            pass  # a byte order mark, or a fault that is to be named
        else:
            check_keys(body, value, "The JSON body")
            return value
    return parse(decode_text(body, media_type), "The JSON body")


def to_array(items: list[Any], length: int) -> Any:
    """Return the parsed lists of a body of so many bytes as an array, sparse rows as a csr_matrix.

    Raises BadRequestError if they are not regular.
    """
    if items and isinstance(items[0], dict):
        items = [features(item) for item in items]
    if items and isinstance(items[0], Row):
        if not all(isinstance(item, Row) for item in items):
            raise BadRequestError("Only some of the items in the JSON body are sparse.")
        return to_csr(items)
    if (
        len(items) >= _MANY
        and isinstance(items[0], list)
        and any(isinstance(cell, float) for cell in items[0])
    ):
        # With one float among numbers and booleans, all are floats to numpy too.
        with suppress(ValueError, TypeError, struct.error):
            return _pack(items)
    try:
        return to_plain_array(items, length)
    except ValueError:
        raise BadRequestError("The lists in the JSON body are not all of one length.") from None


def _pack(rows: Sequence[Any]) -> Array:
    """Return rows of numbers as float64; raises ValueError, TypeError or struct.error for anything else."""
    if len(set(map(len, rows))) > 1:
        raise ValueError("the rows differ in width")
    cells: list[Any] = []
    for row in rows:
        cells += row
    return pack_cells(cells, len(rows))


def to_plain_array(items: Any, length: int) -> Array:
    """Return lists from a text of so many bytes as an array; raises ValueError if they are not regular."""
    if length > _FEW:
        # Of text among numbers numpy makes text of all of them, each as long as the longest.
        cells = np.array(items, dtype=object)
        kinds = set(map(type, cells.ravel().tolist()))
        if list in kinds:
            raise ValueError("lists of more than one length")
        if not kinds <= _NUMBERS:
            return cells
    array = np.array(items)
    if array.dtype.kind == "U":  # numpy has made text of the numbers too
        return np.array(items, dtype=object)
    if array.dtype.kind == "O" and all(
        isinstance(cell, float | int | None) for cell in array.ravel().tolist()
    ):
        return array.astype(float)
    return array


def features(item: Any) -> Any:
    """Return what an item of the AWS common format stands for, and any other item as it is."""
    if isinstance(item, dict):
        if item.keys() == {"features"}:
            return item["features"]
        if item.keys() == {"data"}:
            return _tensor(item)
    return item


def _tensor(item: dict[str, Any]) -> Any:
    data = item["data"]
    tensor = data["features"] if isinstance(data, dict) and data.keys() == {"features"} else None
    if not isinstance(tensor, dict) or not {"values"} <= tensor.keys() <= {"values", "keys", "shape"}:
        return item
    if tensor.keys() == {"values"}:
        return tensor["values"]
    values = _to_numbers(tensor["values"])
    keys, shape = (_to_numbers(tensor.get(name, [])) for name in ("keys", "shape"))
    if (keys % 1 != 0).any() or (shape % 1 != 0).any():
        raise BadRequestError("The keys or the shape of an item are no whole numbers.")
    try:
        if "keys" not in tensor:
            return values.reshape([int(size) for size in shape])
        width = int(shape[0]) if "shape" in tensor else None
    except (ValueError, TypeError, OverflowError, IndexError):
        raise BadRequestError("The values and the shape of an item do not fit.") from None
    if values.ndim != 1 or keys.shape != values.shape or len(shape) > 1:
        raise BadRequestError("The keys of an item do not fit its values.")
    return Row(keys.astype(np.int64), values, width)


def _to_numbers(items: Any) -> Array:
    """Return numbers, and nan for null, as floats; text is not made numbers of."""
    array = np.array(items if isinstance(items, list) else [items], dtype=object)
    if not set(map(type, array.ravel().tolist())) <= _NUMBERS:
        raise BadRequestError("The values, the keys or the shape of an item are no lists of numbers.")
    return array.astype(float)


def check_keys(text: str | bytes, value: Any, what: str) -> None:
    """Refuse an object with a key that stands twice, in a text whose value holds objects in a list.

    Each key has a colon behind it: if there are no more of them than keys, nothing was lost.
    """
    items = value
    while isinstance(items, dict) and items.keys() <= ENVELOPES.keys():
        items = next(iter(items.values()), None)
    if not isinstance(items, dict) and not (isinstance(items, list) and items and isinstance(items[0], dict)):
        return
    colons = text.count(":") if isinstance(text, str) else text.count(b":")
    if colons > _count(value):
        with suppress(RecursionError):  # deeper than any array
            json.loads(
                text,
                object_pairs_hook=lambda pairs: _refuse_twice(pairs, what),
                parse_int=float,  # Python takes no whole number of more than 4300 digits
            )


def _count(value: Any) -> int:
    """Return how many keys there are, but for those in lists in lists."""
    if isinstance(value, dict):
        return len(value) + sum(map(_count, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(map(_count, value))
    return 0


def _refuse_twice(pairs: list[tuple[str, Any]], what: str) -> None:
    keys = {key for key, _ in pairs}
    if len(keys) < len(pairs) and not keys <= ENVELOPES.keys():
        raise BadRequestError(f"{what} has an object with one key twice: one of its columns would be lost.")
