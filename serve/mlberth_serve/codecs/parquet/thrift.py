"""Structs in Thrift's compact protocol, in which the footer and the headers of pages of a parquet file are.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

I32, I64, LIST, STRUCT = 5, 6, 9, 12
_TRUE, _FALSE, _BYTE, _I16, _DOUBLE, _BINARY, _SET, _MAP = 1, 2, 3, 4, 7, 8, 10, 11
_DEEPEST = 16
_LONG_SIZE = 15
_LEAST, _MOST = -(2**15), 2**15 - 1
"""The number of a field has 16 bits."""

Field = tuple[int, int]
"""The number and the kind of a field: one of another kind is another field, as it is in generated code."""
Wanted = Mapping[Field, "Wanted | None"]
"""The fields to read, and those of their structs; others are passed over."""
Struct = dict[Field, Any]


class ThriftError(ValueError):
    """These bytes are no struct, or one that is too large."""


class Reader:
    """Reads structs out of bytes, one after another."""

    def __init__(self, data: bytes, position: int = 0, *, max_items: int = 0) -> None:
        """Begin at a position; a list that is wanted may have `max_items`."""
        self._data = data
        self.position = position
        self._max_items = max_items

    def read(self, wanted: Wanted) -> Struct:
        """Return the wanted fields of the next struct; raises ThriftError."""
        try:
            return self._read_struct(wanted, {}, 0)
        except IndexError:
            raise ThriftError("the bytes end within a struct") from None

    def _read_struct(self, wanted: Wanted, fields: Struct, depth: int) -> Struct:
        if depth > _DEEPEST:
            raise ThriftError("structs within structs without an end")
        number = 0
        data = self._data
        while head := data[self.position]:
            self.position += 1
            kind = head & 15
            number = number + (head >> 4) if head >> 4 else self._read_number()
            if not _LEAST <= number <= _MOST:
                number = _fold(number, 16)
            field = number, kind
            if field not in wanted:
                self._skip(kind, depth)
            elif kind == STRUCT:
                # A field that comes twice is one struct with the fields of both, as in generated code.
                fields[field] = self._read_struct(wanted[field] or {}, fields.get(field, {}), depth + 1)
            elif kind == LIST:
                fields[field] = self._read_structs(wanted[field] or {}, depth)
            else:
                fields[field] = _fold(self._read_number(), 32 if kind == I32 else 64)
        self.position += 1
        return fields

    def _read_structs(self, wanted: Wanted, depth: int) -> list[Struct]:
        size, kind = self._read_list_head()
        if kind != STRUCT or size > self._max_items:
            raise ThriftError("a list of something else, or too long")
        return [self._read_struct(wanted, {}, depth + 1) for _ in range(size)]

    def _read_list_head(self) -> tuple[int, int]:
        head = self._data[self.position]
        self.position += 1
        size = head >> 4
        return (self._read_varint() if size == _LONG_SIZE else size), head & 15

    def _skip(self, kind: int, depth: int) -> None:
        data = self._data
        if kind in {I32, I64, _I16}:
            while data[self.position] > 127:
                self.position += 1
            self.position += 1
        elif kind == _BINARY:
            size = self._read_varint()
            self.position += size
        elif kind == STRUCT:
            self._read_struct({}, {}, depth + 1)
        elif kind in {LIST, _SET}:
            size, kind = self._read_list_head()
            self._skip_items(size, [kind], depth)
        elif kind == _MAP:
            if size := self._read_varint():
                kinds = data[self.position]
                self.position += 1
                self._skip_items(size, [kinds >> 4, kinds & 15], depth)
        elif kind in {_BYTE, _DOUBLE}:
            self.position += 1 if kind == _BYTE else 8
        elif kind not in {_TRUE, _FALSE}:
            raise ThriftError(f"no kind of a field: {kind}")

    def _skip_items(self, size: int, kinds: list[int], depth: int) -> None:
        if size > len(self._data) - self.position:  # each takes a byte at least
            raise ThriftError("a list that is longer than the bytes")
        for _ in range(size):
            for kind in kinds:
                # In a list a boolean is a byte; in a struct it is in the field's head.
                self._skip(_BYTE if kind in {_TRUE, _FALSE} else kind, depth + 1)

    def _read_number(self) -> int:
        value = self._read_varint()
        return (value >> 1) ^ -(value & 1)

    def _read_varint(self) -> int:
        value = 0
        data = self._data
        for shift in range(0, 70, 7):
            octet = data[self.position]
            self.position += 1
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                return value
        raise ThriftError("a number without an end")


def _fold(number: int, bits: int) -> int:
    """Return what is left of a number in so many bits: longer ones are cut in C++, not refused."""
    half = 1 << (bits - 1)
    return ((number + half) & (2 * half - 1)) - half
