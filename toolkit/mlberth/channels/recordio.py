"""RecordIO: records of bytes, one after the other in a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from mlberth.channels.damage import damage
from mlberth.recordio import HEAD, LARGEST, LAST, MARK, MAY_FOLLOW, WHOLE, join_parts, write_frame

_ACTION = "Use lines() for text, and open() for other files."


def read_records(stream: BinaryIO, name: str = "", *, largest: int = LARGEST) -> Iterator[bytes]:
    """Yield the records of a buffered stream, with no more than one of them in memory.

    Raises ContractError, with `name` and the byte where the frame begins, for what is damaged or larger than
    `largest`.
    """
    for _, record in read_frames(stream, name or getattr(stream, "name", "the stream"), largest=largest):
        yield record


def read_frames(stream: BinaryIO, name: str, *, largest: int = LARGEST) -> Iterator[tuple[int, bytes]]:
    """Yield the byte where each record's frame begins, and the record."""
    read = stream.read
    offset, head = 0, read(HEAD.size)
    parts: list[bytes] = []
    before, begin, total = WHOLE, 0, 0
    while head:
        kind, size = _parse_head(head, name, offset)
        if kind not in MAY_FOLLOW[before]:
            raise damage(name, offset, f"a frame of kind {kind} after one of kind {before}", "whole records")
        if before == WHOLE:
            begin, total = offset, 0
        total += size
        if total > largest:
            raise damage(name, begin, f"a record of {total} bytes or more", f"at most {largest} bytes")
        record = read(size)
        # The padding and the next head in one: a call less for each record.
        rest = read(-size % 4 + HEAD.size)
        if len(record) < size or len(rest) < -size % 4:
            raise damage(name, offset, f"the end {len(record)} bytes into a record", f"{size} bytes")
        if kind == WHOLE:
            yield offset, record
        else:
            parts.append(record)
            total += len(MARK)
            if kind == LAST:
                yield begin, join_parts(parts)
                parts, kind = [], WHOLE
        before = kind
        offset += HEAD.size + size + -size % 4
        head = rest[-size % 4 :]
    if before != WHOLE:
        raise damage(name, offset, "the end inside a record of several frames", "its last frame")


def _parse_head(head: bytes, name: str, offset: int) -> tuple[int, int]:
    """Return which part of a record a frame is, and how many bytes it has."""
    if not head.startswith(MARK[: len(head)]):
        raise damage(name, offset, f"the bytes {head[:4].hex()}", "a RecordIO frame (0a23d7ce)", _ACTION)
    if len(head) < HEAD.size:
        raise damage(name, offset, f"{len(head)} bytes at the end", "a frame's head of 8 bytes")
    _, length = HEAD.unpack(head)
    return length >> 29, length & LARGEST


def write_record(stream: BinaryIO, record: bytes) -> None:
    """Write one record; raises ValueError for one that is too long for the format."""
    stream.write(write_frame(record))


def write_records(stream: BinaryIO, records: Iterable[bytes]) -> None:
    """Write records, one after the other."""
    for record in records:
        write_record(stream, record)
