"""Structs in Thrift's compact protocol."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_serve.codecs.parquet.thrift import I32, I64, LIST, STRUCT, Reader, ThriftError

ONE = bytes([0x15, 0x02, 0x00])
"""A struct whose field 1, an i32, is 1."""


def read(data: bytes, wanted: Any, max_items: int = 10) -> Any:
    """Return the wanted fields."""
    return Reader(data, max_items=max_items).read(wanted)


@pytest.mark.parametrize(
    ("data", "wanted", "fields"),
    [
        (ONE, {(1, I32): None}, {(1, I32): 1}),
        (bytes([0x15, 0x01, 0]), {(1, I32): None}, {(1, I32): -1}),
        (ONE, {(1, I64): None}, {}),
        (bytes([0x05, 0x04, 0x02, 0]), {(2, I32): None}, {(2, I32): 1}),
        (bytes([0x1C]) + ONE + bytes([0]), {(1, STRUCT): {(1, I32): None}}, {(1, STRUCT): {(1, I32): 1}}),
        (
            bytes([0x19, 0x2C]) + ONE + ONE + bytes([0]),
            {(1, LIST): {(1, I32): None}},
            {(1, LIST): [{(1, I32): 1}, {(1, I32): 1}]},
        ),
        (
            bytes([0x1C]) + ONE + bytes([0x0C, 0x02, 0x25, 0x04, 0, 0]),
            {(1, STRUCT): {(1, I32): None, (2, I32): None}},
            {(1, STRUCT): {(1, I32): 1, (2, I32): 2}},
        ),
        (bytes([0x05]) + bytes([0x82, 0x80, 0x08, 0x02, 0]), {(1, I32): None}, {(1, I32): 1}),
        (bytes([0x15]) + bytes([0x82, 0x80, 0x80, 0x80, 0x20, 0]), {(1, I32): None}, {(1, I32): 1}),
    ],
    ids=[
        "number",
        "negative",
        "of another kind",
        "long head",
        "struct",
        "list",
        "a struct that comes twice",
        "a number of a field beyond 16 bits",
        "a number beyond 32 bits",
    ],
)
def test_wanted_fields_are_read(data: bytes, wanted: Any, fields: Any) -> None:
    """As the code that is generated from parquet.thrift reads them."""
    assert read(data, wanted) == fields


@pytest.mark.parametrize(
    "skipped",
    [
        [0x11],
        [0x12],
        [0x13, 0xFF],
        [0x14, 0x82, 0x01],
        [0x17, *range(8)],
        [0x18, 0x03, 1, 2, 3],
        [0x19, 0x31, 1, 2, 1],
        [0x1A, 0x25, 0x82, 0x01, 0x02],
        [0x19, 0xF5, 0x10, *[0x02] * 16],
        [0x1B, 0x00],
        [0x1B, 0x01, 0x58, 0x02, 0x01, 0x61],
        [0x1C, 0x18, 0x01, 0x00, 0x00],
    ],
    ids=[
        "true",
        "false",
        "byte",
        "i16",
        "double",
        "text",
        "booleans",
        "set",
        "long",
        "no map",
        "map",
        "struct",
    ],
)
def test_other_fields_are_passed_over(skipped: list[int]) -> None:
    """The field after one that nobody wants is found."""
    assert read(bytes([*skipped, 0x15, 0x02, 0x00]), {(2, I32): None}) == {(2, I32): 1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        ONE[:-1],
        bytes([0x1C] * 100),
        bytes([0x19, 0x25, 0x02, 0x02, 0]),
        bytes([0x19, 0xFC, 0x7F]) + ONE,
        bytes([0x19, 0xF5, 0xFF, 0xFF, 0xFF, 0x7F, 0]),
        bytes([0x1D, 0]),
        bytes([0x15]) + b"\xff" * 20,
    ],
    ids=[
        "nothing",
        "no end",
        "deep",
        "list of numbers",
        "many",
        "longer than the bytes",
        "kind",
        "long number",
    ],
)
def test_what_is_no_struct_is_refused(data: bytes) -> None:
    """In few steps, and with one class of error."""
    wanted: Any = {(1, I32): None, (1, LIST): {(1, I32): None}}
    with pytest.raises(ThriftError):
        read(data, wanted)
