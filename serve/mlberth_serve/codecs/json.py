"""`application/json`: a list, a list of lists, or an object that holds one.

Reading: the value is a list, `{"instances": list}` or `{"inputs": list}`; an object with other keys
is refused, since they would be lost. An item `{"features": list}` stands for its list (the AWS
common format). Lists nest to any depth but must be regular. numpy picks the type: integers int64,
otherwise float64, with nan for null; with text or objects anywhere it is an object array. As in
orjson the last of two equal keys wins, and an integer beyond 64 bits becomes a float.

Writing: nan and infinities are null, which JSON has in their place. The answer to a request with
`instances` is `{"predictions": …}`; to any other it is the bare list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from mlberth_serve.codecs.codec import Array, Decoded, as_array
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_ENVELOPES = {"instances": "predictions", "inputs": ""}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the array in a body, in the shape in which it was sent."""
    value = parse(decode_text(body, media_type), "The JSON body")
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


def to_array(items: list[Any]) -> Array:
    """Return parsed lists as an array; raises BadRequestError where they are not regular."""
    if items and isinstance(items[0], dict):
        items = [features(item) for item in items]
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
    """Return the list in `{"features": list}`, and any other item as it is."""
    return item["features"] if isinstance(item, dict) and item.keys() == {"features"} else item


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
