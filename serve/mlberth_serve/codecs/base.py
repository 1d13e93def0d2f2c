"""What a codec is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import MediaType

Array = npt.NDArray[Any]

MAX_DECODED_BYTES = 512 * 1024 * 1024
"""What a body may unpack to, where a few bytes of it can stand for many: npz, parquet, images."""


class Decoded(NamedTuple):
    """What a body holds, and the key under which the answer belongs, "" for none."""

    array: Any
    """An array (a Table where the columns have names), or a scipy.sparse.csr_matrix of sparse rows."""
    envelope: str = ""


class Table(np.ndarray[Any, Any]):
    """A two-dimensional array that knows the names of its columns; what is made from it does not."""

    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, array: Array, columns: Sequence[str]) -> Table:
        """Return an array with names, without a copy."""
        table = array.view(cls)
        table.columns = tuple(columns)
        return table


class Reader(Protocol):
    """From bytes to an array."""

    def decode(self, body: bytes, media_type: MediaType) -> Decoded:
        """Raise BadRequestError or UnsupportedTypeError when the body does not fit."""


class Codec(Reader, Protocol):
    """Both ways between bytes and an array: the two functions of a codec's module."""

    def encode(self, value: Any) -> bytes:
        """Raise TypeError or ValueError when the value does not fit: the handler's fault."""


def check_size(size: int) -> None:
    """Refuse what would unpack to more than MOST_BYTES, before anything is allocated for it."""
    if size < 0:
        raise BadRequestError("The body gives a size below zero.")
    if size > MAX_DECODED_BYTES:
        message = f"The body unpacks to more than {MAX_DECODED_BYTES // 1024**2} MB."
        raise RequestError(413, "payload_too_large", message)


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
