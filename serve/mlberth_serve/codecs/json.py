"""`application/json`: a list, a list of lists, or an object that holds one.

Reading: the value is a list, `{"instances": list}` or `{"inputs": list}`; an object with other keys
is refused, since they would be lost. In the AWS common format an item `{"features": list}` stands for
its list, and so does `{"data": {"features": {"values": list}}}`; `shape` beside `values` gives them that
shape, `keys` makes a sparse row of them, and then every item has to be one. Lists nest to any depth but
must be regular. numpy picks the type: integers int64, otherwise float64, with nan for null; with text or
objects anywhere it is an object array. As in orjson the last of two equal keys wins, and an integer
beyond 64 bits becomes a float.

Writing: nan and infinities are null, which JSON has in their place. The answer to a request with
`instances` is `{"predictions": …}`; to any other it is the bare list.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.base import Decoded, as_array
from mlberth_serve.codecs.numeric_rows import pack
from mlberth_serve.codecs.sparse import Row, to_csr
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_ENVELOPES = {"instances": "predictions", "inputs": ""}
_MANY = 32
"""From so many rows on, numpy's own way from lists to an array is not the fastest."""
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the array in a body, in the shape in which it was sent."""
    value = _parse_body(body, media_type)
    envelope = ""
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in _ENVELOPES:
            raise BadRequestError('A JSON object has one key, "instances" or "inputs".')
        key, value = value.popitem()
        envelope = _ENVELOPES[key]
    if not isinstance(value, list):
        raise BadRequestError('The JSON body is not a list, nor a list under "instances" or "inputs".')
    return Decoded(to_array(value), envelope)


def encode(value: Any) -> bytes:
    """Write arrays, and lists and maps of them; raises TypeError for what JSON has no word for."""
    return orjson.dumps(value, default=_default, option=_OPTIONS)


def parse(text: str | bytes, what: str) -> Any:
    """Return the JSON value of a text; `what` names it in the error."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"{what} cannot be read: {error}.") from None


def _parse_body(body: bytes, media_type: MediaType) -> Any:
    if not media_type.parameters:
        try:
            return orjson.loads(body)  # it reads UTF-8 itself
        except orjson.JSONDecodeError:
            pass  # a byte order mark, or a fault that is to be named
    return parse(decode_text(body, media_type), "The JSON body")


def to_array(items: list[Any]) -> Any:
    """Return parsed lists as an array, sparse rows as a csr_matrix.

    Raises BadRequestError where they are not regular.
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
            return pack(items)
    try:
        array = np.array(items)
        if array.dtype.kind == "U":  # numpy has made text of the numbers too
            array = np.array(items, dtype=object)
        elif array.dtype.kind == "O" and all(isinstance(cell, float | int | None) for cell in array.flat):
            array = array.astype(float)
    except ValueError:
        raise BadRequestError("The lists in the JSON body are not all of one length.") from None
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
    try:
        values = np.array(tensor["values"], dtype=float)
        keys, shape = (np.array(tensor.get(name, []), dtype=float) for name in ("keys", "shape"))
        if "keys" not in tensor:
            return values.reshape([int(size) for size in shape])
        width = int(shape[0]) if "shape" in tensor else None
    except (ValueError, TypeError, OverflowError, IndexError):
        raise BadRequestError("The values and the shape of an item do not fit.") from None
    if values.ndim != 1 or keys.shape != values.shape or len(shape) > 1 or (keys % 1 != 0).any():
        raise BadRequestError("The keys of an item do not fit its values.")
    return Row(keys.astype(np.int64), values, width)


def _default(value: Any) -> Any:
    """Turn what orjson does not know into what it does: a contiguous array, or lists."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    array = as_array(value)
    if array.dtype.kind == "O" and array.ndim == 0:
        raise TypeError(f"a {type(value).__name__} cannot be written as JSON")
    if array.dtype.kind in "biuf" and array.ndim and not array.flags.c_contiguous:
        return np.ascontiguousarray(array)
    return array.tolist()
