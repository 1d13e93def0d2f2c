"""The protocol of a codec, the bounds that all of them keep, and text in UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import MediaType

Array = npt.NDArray[Any]

MAX_DECODED_BYTES = 512 * 1024 * 1024
"""What any body may take while it is read."""
MAX_TIMES = 20
"""How many times its own size a body may take, if that is more: the payload limit bounds it."""
SMALL = 65536
"""Smaller bodies of text are read without a look at what they will take: it is little."""
EXACT_WHOLE = 2**53
"""Below it every whole number is a float of its own; from here on a float may stand for several."""
_NAME = 256
"""What the name of a column takes, here and where columns are looked up by name."""


class Decoded(NamedTuple):
    """What a body holds, and the key under which the answer belongs, "" for none."""

    array: Any
    """An array (a Table if the columns have names), or a scipy.sparse.csr_matrix of sparse rows."""
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


def check_size(size: int, length: int = 0) -> None:
    """Refuse what takes more than a body of `length` bytes may, before anything is allocated for it."""
    if size < 0:
        raise BadRequestError("The body gives a size below zero.")
    if size > max(MAX_DECODED_BYTES, MAX_TIMES * length):
        maximum = max(MAX_DECODED_BYTES, MAX_TIMES * length) // 1024**2
        message = f"The body unpacks to more than {maximum} MB, its bound by the rule `unpacked size`."
        raise RequestError(413, "payload_too_large", message)


def check_count(count: int, maximum: int, what: str) -> None:
    """Refuse more of something than a body may hold, by the rule of that name."""
    if count > maximum:
        message = f"The body holds {count} {what}, its bound by the rule `{what}` is {maximum}."
        raise RequestError(413, "payload_too_large", message)


def check_names(names: Sequence[str]) -> None:
    """Refuse a name that two columns have: one of them would be lost. An empty one is no name."""
    check_size(_NAME * len(names))
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for place, name in enumerate(names):
        if name and name in seen:
            raise BadRequestError(f"Column {place} of the body, counted from 0, has the name of another.")
        seen.add(name)


_BOM = b"\xef\xbb\xbf"


def decode_text(body: bytes, media_type: MediaType) -> str:
    """Return a body as text in its charset, without a UTF-8 byte order mark."""
    charset = media_type.codec
    if charset == "utf-8" and body.startswith(_BOM):
        body = body[len(_BOM) :]
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise BadRequestError(f"Byte {error.start} of the body is not {charset}.") from None


def encode_text(text: str) -> bytes:
    """Return text in UTF-8, with U+FFFD for half of a surrogate pair, which UTF-8 has no bytes for."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
