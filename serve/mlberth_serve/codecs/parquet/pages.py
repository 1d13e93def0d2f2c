"""The pages of a parquet file: what each unpacks to, as its own header says.

What the footer says of sizes need not be true, but a page is never unpacked to more than its header gives.
Source: https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mlberth_serve.codecs.base import check_count, check_size
from mlberth_serve.codecs.parquet.thrift import I32, I64, LIST, STRUCT, Reader, Struct, ThriftError, Wanted
from mlberth_serve.errors import BadRequestError

_MAX_PAGES = 100_000
_GROUPS, _COLUMNS, _METADATA = (4, LIST), (1, LIST), (3, STRUCT)
TYPE, NUM_VALUES, COMPRESSED_SIZE = (1, I32), (5, I64), (7, I64)
DATA_PAGE, DICTIONARY_PAGE = (9, I64), (11, I64)
_CHUNK: Wanted = {TYPE: None, NUM_VALUES: None, COMPRESSED_SIZE: None, DATA_PAGE: None, DICTIONARY_PAGE: None}
_FOOTER: Wanted = {_GROUPS: {_COLUMNS: {_METADATA: _CHUNK}}}
_UNPACKED, _PACKED = (2, I32), (3, I32)
_ENCODINGS = {(5, STRUCT): (2, I32), (7, STRUCT): (2, I32), (8, STRUCT): (4, I32)}
"""The headers of data, dictionary and newer data pages, and the field in each that names its encoding."""
_PAGE: Wanted = {_UNPACKED: None, _PACKED: None} | {page: {_ENCODINGS[page]: None} for page in _ENCODINGS}
_DELTAS = {6, 7}
"""Encodings of text that pyarrow reads into no dictionary. In one, each value says how much of the one before
it begins with: a page stands for many times its own bytes."""
_TEXT = 4
"""How often text is there: as a page, in a dictionary, as a column, as Python's."""
_BYTE_ARRAY = 6


class Pages(NamedTuple):
    """What the pages of a file are."""

    largest: int
    """How many bytes the largest unpacks to."""
    has_delta: bool
    """Whether there is text that cannot be read as a dictionary."""


def check_pages(body: bytes, metadata: Any) -> Pages:
    """Refuse a file whose pages unpack to too much; raises BadRequestError for one that is damaged."""
    check_count(metadata.num_row_groups * metadata.num_columns, _MAX_PAGES, "parquet column chunks")
    try:
        return _check(body, metadata)
    except ThriftError:
        raise BadRequestError("The body is not a parquet file.") from None


def _check(body: bytes, metadata: Any) -> Pages:
    count = size = largest = 0
    has_delta = False
    for chunk in read_chunks(body, metadata):
        if not chunk.get(NUM_VALUES):  # it has no pages
            continue
        times = _TEXT if chunk.get(TYPE) == _BYTE_ARRAY else 1
        position = chunk.get(DATA_PAGE, 0)
        if 0 < chunk.get(DICTIONARY_PAGE, 0) < position:
            position = chunk[DICTIONARY_PAGE]
        if position < 0:
            raise ThriftError("a page before the file")
        end = min(len(body), position + chunk.get(COMPRESSED_SIZE, 0))
        pages = Reader(body, position)
        while pages.position < end:
            page = pages.read(_PAGE)
            unpacked, packed = page.get(_UNPACKED, 0), page.get(_PACKED, 0)
            if min(unpacked, packed) < 0:
                raise ThriftError("a page that is less than empty")
            pages.position += packed
            count += 1
            size += times * unpacked
            largest = max(largest, unpacked)
            has_delta |= any(page.get(kind, {}).get(at) in _DELTAS for kind, at in _ENCODINGS.items())
            check_count(count, _MAX_PAGES, "parquet pages")
            check_size(size, len(body))
    return Pages(largest, has_delta)


def read_chunks(body: bytes, metadata: Any) -> Iterator[Struct]:
    """Return what the footer says of each column chunk, group by group; raises ThriftError.

    Not `metadata.row_group(i).column(j)`: if the footer's statistics contradict its schema, that throws
    through code of C, and ends the process.
    """
    begin = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    footer = Reader(body[max(0, begin) : -8], max_items=_MAX_PAGES).read(_FOOTER)
    groups = footer.get(_GROUPS, [])
    if len(groups) != metadata.num_row_groups:
        raise ThriftError("another number of row groups than pyarrow finds")
    for group in groups:
        columns = group.get(_COLUMNS, [])
        if len(columns) != metadata.num_columns:
            raise ThriftError("a row group without some of the columns")
        for column in columns:
            yield column.get(_METADATA, {})
