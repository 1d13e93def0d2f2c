"""Packed numbers of protocol buffers, many at once."""

from __future__ import annotations

import numpy as np

from mlberth import protobuf
from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import BadRequestError

_LONGEST_VARINT = 10
_FEW = 32


def read_varints(data: memoryview) -> Array:
    """Return whole numbers that stand one after the other, as uint64; raises BadRequestError."""
    if len(data) <= _FEW:  # for which numpy takes longer than Python
        try:
            return np.array([*protobuf.read_varints(data)], np.uint64)
        except protobuf.ProtobufError as error:
            raise BadRequestError(f"The body holds {error}.") from None
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets < 0x80)
    if not len(ends) or ends[-1] != len(octets) - 1:
        raise BadRequestError("The body holds a protobuf number that breaks off.")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _LONGEST_VARINT:
        raise BadRequestError("The body holds a protobuf number that is too long.")
    places = np.arange(len(octets)) - np.repeat(starts, lengths)
    bits = (octets & 0x7F).astype(np.uint64) << (7 * places).astype(np.uint64)
    numbers: Array = np.bitwise_or.reduceat(bits, starts)
    return numbers
