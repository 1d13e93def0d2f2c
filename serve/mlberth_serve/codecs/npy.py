"""`application/x-npy`: one array as `numpy.save` writes it.

Reading: numbers, booleans and text in any shape, format versions 1 and 2. Objects, which would have
to be unpickled, are refused, and so is a header whose array is not exactly the rest of the body:
nothing is allocated on a header's word.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, Literal

import numpy as np
from numpy.lib import format as npy_format

from mlberth_serve.codecs.base import Array, Decoded, check_size
from mlberth_serve.codecs.values.arrays import as_array
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_READERS = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}
_KINDS = "biufSU"
_NUMBERS = "biuf"
_LONGEST_HEADER = 16384
"""More than any that numpy reads: it refuses 10 000 characters."""
_SIZE = rb"(?:0|[1-9][0-9]{0,17})"
_USUAL_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)"
    rb"\{'descr': '([<>|](?:b1|[iu][1248]|f[248]|[SU][0-9]{1,6}))', 'fortran_order': (True|False), "
    rb"'shape': \((|" + _SIZE + rb",|" + _SIZE + rb"(?:, " + _SIZE + rb")+)\), \} *\n",
    re.DOTALL,
)
"""What numpy.save writes; any other form is left to numpy's own reader, which parses it as Python."""


def decode(body: bytes | memoryview, media_type: MediaType) -> Decoded:  # noqa: ARG001 - a codec's
    """Return the array in a body, in its own type and the machine's byte order; it may be written to.

    It lies in the body itself if that may be written to, and in a copy of it otherwise.
    """
    shape, fortran_order, dtype, start = _read_header(body)
    if dtype.kind not in _KINDS or not dtype.itemsize:
        raise BadRequestError("The .npy body holds something other than numbers, booleans or text.")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != len(body) - start:
        raise BadRequestError("The .npy header does not fit the length of the body.")
    if not count:  # lists of it are as long as the sizes that are not 0 make them
        check_size(math.prod(filter(None, shape)) * dtype.itemsize, len(body))
    array = _lay_out(np.frombuffer(body, dtype, count, start), shape, "F" if fortran_order else "C")
    native = dtype.isnative and array.flags.writeable and array.flags.aligned
    return Decoded(array if native else array.astype(dtype.newbyteorder("=")))


def encode(value: Any) -> bytes:
    """Write an array of numbers, booleans or text."""
    array = plain(as_array(value))
    fortran_order = array.flags.fnc
    header = _make_header(array.dtype.str, fortran_order, array.shape)
    return b"".join((header, (array.T if fortran_order else np.asarray(array, order="C")).data))


def decode_alike(bodies: Sequence[bytes | memoryview]) -> list[Array] | None:
    """Return the arrays of bodies with one and the same header.

    None if that is not so, or if it is of anything but numbers of this machine's, in C's order: then
    `decode` is to look at each.
    """
    try:
        shape, fortran_order, dtype, start = _read_header(bodies[0])
        if fortran_order or not dtype.isnative or dtype.kind not in _NUMBERS or min(shape, default=0) < 1:
            return None
        head, length = bytes(bodies[0][:start]), start + math.prod(shape) * dtype.itemsize
        if any(len(body) != length or body[:start] != head for body in bodies):
            return None
        data = bytearray().join([body[start:] for body in bodies])  # it may be written to
        return list(_lay_out(np.frombuffer(data, dtype), (len(bodies), *shape), "C"))
    except BadRequestError:
        return None


def encode_rows(array: Array, sizes: Sequence[int]) -> list[bytes] | None:
    """Return what `encode` makes of so many rows each of an array of numbers in C order; None of another."""
    if not array.flags.c_contiguous or array.dtype.kind not in _NUMBERS or not array.size:
        return None
    data, width = array.tobytes(), array.nbytes // len(array)
    bounds = pairwise(accumulate(sizes, initial=0))
    return [
        _make_header(array.dtype.str, False, (end - start, *array.shape[1:]))
        + data[start * width : end * width]
        for start, end in bounds
    ]


def _lay_out(array: Array, shape: tuple[int, ...], order: Literal["C", "F"]) -> Array:
    try:
        return array.reshape(shape, order=order)
    except (ValueError, TypeError, OverflowError):  # more dimensions than numpy has, or what are no sizes
        raise BadRequestError("The .npy header has a shape that no array has.") from None


def plain(array: Array) -> Array:
    """Return an array that holds no objects: text that is kept as objects becomes numpy's own."""
    if array.dtype.kind != "O":
        return array
    cells = array.ravel().tolist()
    if not all(isinstance(cell, str) for cell in cells):
        raise TypeError("an array of numpy's own holds numbers or text, not a mixture")
    return np.array(cells, dtype=str).reshape(array.shape)


def _read_header(body: bytes | memoryview) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, Fortran order, type, and where the data begin."""
    usual = _USUAL_HEADER.match(body, 0, _LONGEST_HEADER)
    if usual and usual.end() == 10 + int.from_bytes(usual[1], "little"):
        shape = tuple(int(size) for size in usual[4].split(b",") if size)
        return shape, usual[3] == b"True", np.dtype(usual[2].decode()), usual.end()
    file = io.BytesIO(body[:_LONGEST_HEADER])
    try:
        shape, fortran_order, dtype = _READERS[npy_format.read_magic(file)](file)
    except Exception:  # noqa: BLE001 - numpy parses the header as Python: TokenError, RecursionError, …
        raise BadRequestError("The body is not an .npy file of format version 1 or 2.") from None
    return shape, fortran_order, dtype, file.tell()


@lru_cache(256)
def _make_header(descr: str, fortran_order: bool, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    fields = {"descr": descr, "fortran_order": fortran_order, "shape": shape}
    npy_format.write_array_header_1_0(file, fields)
    return file.getvalue()
