"""The wire format of protocol buffers, as much of it as records and tensors need.

Source: https://protobuf.dev/programming-guides/encoding/. Groups, which nobody writes, are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK = 2**64 - 1
_LONGEST = 10


class ProtobufError(ValueError):
    """These bytes are no message; the text says what they hold instead."""


def read_fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield number, wire type and bytes of each field of a message; raises ProtobufError."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        start, wire = position, tag & 7
        if wire == VARINT:
            _, position = _read_varint(data, position)
        elif wire == BYTES:
            size, start = _read_varint(data, position)
            position = start + size
        elif wire in (FIXED32, FIXED64):
            position += 4 if wire == FIXED32 else 8
        else:
            raise ProtobufError("a protobuf field of a kind that is not known")
        if position > len(data):
            raise ProtobufError("a protobuf message that breaks off")
        yield tag >> 3, wire, data[start:position]


def read_varints(data: memoryview) -> Iterator[int]:
    """Yield whole numbers that stand one after the other, from 0 to 2**64 - 1; raises ProtobufError."""
    position = 0
    while position < len(data):
        number, position = _read_varint(data, position)
        yield number & _MASK


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    first = data[position] if position < len(data) else 0x80
    if first < 0x80:
        return first, position + 1
    value = shift = 0
    for octet in data[position : position + _LONGEST]:
        value |= (octet & 0x7F) << shift
        shift += 7
        if octet < 0x80:
            return value, position + shift // 7
    raise ProtobufError("a protobuf number that breaks off")


def write_bytes(number: int, value: bytes) -> bytes:
    """Return one field that holds bytes, text, a message or packed numbers."""
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def write_varints(values: Iterable[int]) -> bytes:
    """Return whole numbers, one after the other."""
    return b"".join(map(write_varint, values))


def write_varint(value: int) -> bytes:
    """Return a whole number; a negative one as its two's complement of 64 bits."""
    value &= _MASK
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
