"""The pages of a parquet file: what each unpacks to, as its own header says.

What the footer says of sizes need not be true, but a page is never unpacked to more than its header gives.
The headers are in Thrift's compact protocol.
Source: https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mlberth_serve.codecs.base import check_count, check_size
from mlberth_serve.errors import BadRequestError

_MAX_PAGES = 100_000
_UNPACKED, _PACKED = 2, 3
_HEADERS = {5: 2, 7: 2, 8: 4}
"""The headers of data, dictionary and newer data pages, and the field in each that names its encoding."""
_DELTAS = {6, 7}
"""Encodings of text that pyarrow reads into no dictionary. In one, each value says how much of the one before
it begins with: a page stands for many times its own bytes."""
_TEXT = 4
"""How often text is there: as a page, in a dictionary, as a column, as Python's."""
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_NUMBERS = (4, 5, 6)
_DEEPEST = 8


class Pages(NamedTuple):
    """What the pages of a file are."""

    largest: int
    """How many bytes the largest unpacks to."""
    has_delta: bool
    """Whether there is text that cannot be read as a dictionary."""


def check_pages(body: bytes, metadata: Any) -> Pages:
    """Refuse a file whose pages unpack to too much; raises BadRequestError for one that is damaged."""
    chunks = metadata.num_row_groups * metadata.num_columns
    check_count(chunks, _MAX_PAGES, "parquet column chunks")
    count = size = largest = 0
    has_delta = False
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for at in range(metadata.num_columns):
            chunk = columns.column(at)
            if not chunk.num_values:  # it has no pages
                continue
            times = _TEXT if chunk.physical_type == "BYTE_ARRAY" else 1
            position = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < position:
                position = chunk.dictionary_page_offset
            end = min(len(body), position + chunk.total_compressed_size)
            while position < end:
                fields, position = _read_struct(body, position, 0)
                unpacked, packed = fields.get(_UNPACKED, 0), fields.get(_PACKED, 0)
                if min(unpacked, packed) < 0:
                    raise BadRequestError("The body is not a parquet file.")
                position += packed
                count += 1
                size += times * unpacked
                largest = max(largest, unpacked)
                has_delta |= any(fields.get(key, {}).get(name) in _DELTAS for key, name in _HEADERS.items())
                check_count(count, _MAX_PAGES, "parquet pages")
                check_size(size, len(body))
    return Pages(largest, has_delta)


def _read_struct(body: bytes, position: int, depth: int) -> tuple[dict[int, Any], int]:
    """Return the whole numbers and the structs of a struct by their fields, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    try:
        while kind := body[position]:
            position += 1
            if kind >> 4:
                number += kind >> 4
            else:
                number, position = _read_number(body, position)
            kind &= 15
            if kind in _NUMBERS:
                fields[number], position = _read_number(body, position)
            elif kind == _STRUCT and depth < _DEEPEST:
                fields[number], position = _read_struct(body, position, depth + 1)
            elif kind == _BINARY:
                length, position = _read_varint(body, position)
                position += length
            elif kind in {_BYTE, _DOUBLE}:
                position += 1 if kind == _BYTE else 8
            elif kind not in {_TRUE, _FALSE}:  # lists and maps, which no header of a page has
                break
        else:
            return fields, position + 1
    except IndexError:
        pass
    raise BadRequestError("The body is not a parquet file.")


def _read_number(body: bytes, position: int) -> tuple[int, int]:
    value, position = _read_varint(body, position)
    return (value >> 1) ^ -(value & 1), position


def _read_varint(body: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        octet = body[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, position
    raise IndexError(position)
