"""The wire format of protocol buffers, as much of it as tensors need.

Source: https://protobuf.dev/programming-guides/encoding/. Groups, which nobody writes, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import BadRequestError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_MAX_UINT64 = 2**64 - 1
_FEW = 32


def read_fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield number, wire type and bytes of each field of a message; raises BadRequestError."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        wire = tag & 7
        if wire == VARINT:
            start = position
            _, position = _read_varint(data, position)
            yield tag >> 3, wire, data[start:position]
            continue
        if wire == BYTES:
            size, position = _read_varint(data, position)
        elif wire in {FIXED32, FIXED64}:
            size = 4 if wire == FIXED32 else 8
        else:
            raise BadRequestError("The body holds a protobuf field of a kind that is not known.")
        if size > len(data) - position:
            raise BadRequestError("The body holds a protobuf message that breaks off.")
        yield tag >> 3, wire, data[position : position + size]
        position += size


def read_varints(data: memoryview) -> Array:
    """Return whole numbers that stand one after the other, as uint64; raises BadRequestError."""
    if len(data) <= _FEW:
        return np.array(_read_few(data), np.uint64)
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


def _read_few(data: memoryview) -> list[int]:
    """Return few numbers, for which numpy takes longer than Python."""
    numbers, position = [], 0
    while position < len(data):
        number, position = _read_varint(data, position)
        numbers.append(number & _MAX_UINT64)
    return numbers


def write_bytes(number: int, value: bytes) -> bytes:
    """Return one field that holds bytes, text, a message or packed numbers."""
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def write_varint(value: int) -> bytes:
    """Return a whole number; a negative one as its two's complement of 64 bits."""
    value &= _MAX_UINT64
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    first = data[position] if position < len(data) else 0x80
    if first < 0x80:
        return first, position + 1
    value = shift = 0
    for octet in data[position : position + _LONGEST_VARINT]:
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return value, position + shift // 7
    raise BadRequestError("The body holds a protobuf number that breaks off.")
