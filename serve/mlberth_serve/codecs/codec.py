"""What a codec is."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mlberth_serve.media_types import MediaType

Array = npt.NDArray[Any]


class Decoded(NamedTuple):
    """The array in a body, and the key under which the answer belongs, "" for none."""

    array: Array
    envelope: str = ""


class Codec(Protocol):
    """Both ways between bytes and an array: the two functions of a codec's module."""

    def decode(self, body: bytes, media_type: MediaType) -> Decoded:
        """Raise BadRequestError or UnsupportedTypeError when the body does not fit."""

    def encode(self, value: Any) -> bytes:
        """Raise TypeError or ValueError when the value does not fit: the handler's fault."""


def as_array(value: Any) -> Array:
    """Return what a handler predicted as an array: numpy's, torch's, scipy's, pandas', lists, numbers."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "toarray"):
        value = value.toarray()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, dict | bytes | set) or value is None:
        raise TypeError(f"a {type(value).__name__} is not an array")
    array = np.asarray(value)
    if array.dtype.kind in "cmMV":
        raise TypeError(f"arrays of {array.dtype} are not numbers or text")
    return array
