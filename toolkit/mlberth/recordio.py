"""The frames of RecordIO, of which bodies and files of records are made.

A frame is the number 0xCED7230A and the record's length, both uint32 little endian, the record, and zeros up
to a multiple of 4. Source: dmlc-core's `recordio.h`; what `sagemaker.amazon.common` writes is the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = 0xCED7230A
HEAD = struct.Struct("<II")
MARK = b"\x0a\x23\xd7\xce"
"""The first bytes of a frame."""
LARGEST = 2**29 - 1
"""A length has 29 bits; the three above them say which part of a record a frame is."""
WHOLE, FIRST, MIDDLE, LAST = range(4)
MAY_FOLLOW = {WHOLE: (WHOLE, FIRST), FIRST: (MIDDLE, LAST), MIDDLE: (MIDDLE, LAST)}
"""The parts that may come after each."""


class RecordIOError(ValueError):
    """These bytes are no RecordIO; the text says how."""


def read_frames(body: memoryview) -> Iterator[memoryview]:
    """Yield the records in some bytes, not copied unless a record has several frames.

    The zeros after the last may be missing. Raises RecordIOError for what is no frame, or breaks off.
    """
    position, end = 0, len(body)
    before, parts = WHOLE, list[memoryview]()
    while position < end:
        start = position + HEAD.size
        if start > end:
            raise RecordIOError("breaks off")
        magic, length = HEAD.unpack_from(body, position)
        if magic != MAGIC:
            raise RecordIOError("has no frame where one should begin")
        size, kind = length & LARGEST, length >> 29
        if size > end - start:
            raise RecordIOError("breaks off")
        position = start + size + -size % 4
        record = body[start : start + size]
        if kind == before == WHOLE:
            yield record
            continue
        if kind not in MAY_FOLLOW[before]:
            raise RecordIOError("has the parts of a record in a wrong order")
        parts.append(record)
        before = kind
        if kind == LAST:
            yield memoryview(join_parts(parts))
            before, parts = WHOLE, []
    if before != WHOLE:
        raise RecordIOError("breaks off")


def join_parts(parts: list[memoryview] | list[bytes]) -> bytes:
    """Return the record of some frames: a writer cuts it at each magic number, and leaves that out."""
    return MARK.join(parts)


def write_frame(record: bytes) -> bytes:
    """Return the frame of a record; raises ValueError for one that is too long for the format."""
    if len(record) > LARGEST:
        raise ValueError(f"a record of {len(record)} bytes; RecordIO holds at most {LARGEST}")
    return HEAD.pack(MAGIC, len(record)) + record + bytes(-len(record) % 4)
