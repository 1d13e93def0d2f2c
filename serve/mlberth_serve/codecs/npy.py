"""`application/x-npy`: one array as `numpy.save` writes it.

Reading: numbers, booleans and text in any shape, format versions 1 and 2. Objects, which would have
to be unpickled, are refused, and so is a header whose array is not exactly the rest of the body:
nothing is allocated on a header's word.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from mlberth_serve.codecs.codec import Array, Decoded, as_array
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
_KINDS = "biufSU"


def decode(body: bytes, media_type: MediaType) -> Decoded:  # noqa: ARG001 - a codec's signature
    """Return the array in a body, in its own type and the machine's byte order; it may be written to."""
    file = io.BytesIO(body)
    try:
        shape, fortran_order, dtype = _READERS[npy_format.read_magic(file)](file)
    except Exception:  # noqa: BLE001 - numpy parses the header as Python: TokenError, RecursionError, …
        raise BadRequestError("The body is not an .npy file of format version 1 or 2.") from None
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise BadRequestError("The .npy body holds something other than numbers, booleans or text.")
    start, count = file.tell(), math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(body) - start:
        raise BadRequestError("The .npy header does not fit the length of the body.")
    array: Array = np.frombuffer(body, dtype, count, start)
    array = array.reshape(shape, order="F" if fortran_order else "C")
    return Decoded(array.astype(dtype.newbyteorder("=")))


def encode(value: Any) -> bytes:
    """Write an array of numbers, booleans or text."""
    file = io.BytesIO()
    np.save(file, plain(as_array(value)), allow_pickle=False)
    return file.getvalue()


def plain(array: Array) -> Array:
    """Return an array that holds no objects: text that is kept as objects becomes numpy's own."""
    if array.dtype.kind != "O":
        return array
    if not all(isinstance(cell, str) for cell in array.flat):
        raise TypeError("an array of numpy's own holds numbers or text, not a mixture")
    return array.astype(str)
