"""Objects cut into records, and records put together into requests."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from mlberth.channels.recordio import read_frames, write_record
from mlberth.errors import ContractError
from mlberth_local.transform.records import Record, TransformError

_TFRECORD_HEAD = struct.Struct("<QI")
_CHECKSUM = 4
_LINE = b"\n"


def split(stream: BinaryIO, kind: str, limit: int) -> Iterator[Record]:
    """Yield the records of an object. Raises TransformError for one that is larger than `limit` bytes."""
    return {"Line": _lines, "RecordIO": _record_io, "TFRecord": _tf_records, "None": _whole}[kind](
        stream, limit
    )


def _whole(stream: BinaryIO, limit: int) -> Iterator[Record]:
    body = stream.read(limit + 1)
    _check(len(body), limit, "the object")
    yield Record(body, body)


def _lines(stream: BinaryIO, limit: int) -> Iterator[Record]:
    number = 0
    while line := stream.readline(limit + 2):
        number += 1
        body = line.removesuffix(b"\n")
        _check(len(body), limit, f"line {number}")
        yield Record(body, body)


def _record_io(stream: BinaryIO, limit: int) -> Iterator[Record]:
    try:
        for number, (_, record) in enumerate(read_frames(stream, "the object", largest=limit), 1):
            frame = _Collected()
            write_record(frame, record)  # type: ignore[arg-type]
            _check(len(record), limit, f"record {number}")
            yield Record(record, bytes(frame.bytes))
    except ContractError as error:
        raise TransformError(str(error)) from None


def _tf_records(stream: BinaryIO, limit: int) -> Iterator[Record]:
    number = 0
    while head := stream.read(_TFRECORD_HEAD.size):
        number += 1
        if len(head) < _TFRECORD_HEAD.size:
            raise TransformError(f"record {number}: the object ends in its head")
        size, _ = _TFRECORD_HEAD.unpack(head)
        _check(size, limit, f"record {number}")
        rest = stream.read(size + _CHECKSUM)
        if len(rest) < size + _CHECKSUM:
            raise TransformError(f"record {number}: the object ends in it")
        yield Record(rest[:size], head + rest)


class _Collected:
    """What `write_record` writes to."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def write(self, part: bytes) -> int:
        """Take a part."""
        self.bytes += part
        return len(part)


def _check(size: int, limit: int, name: str) -> None:
    if size > limit:
        raise TransformError(f"{name} is larger than MaxPayloadInMB allows ({limit} bytes)")


def line_blocks(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """Yield the bodies of requests that are filled with lines: as `fill` does, with no look at each line."""
    rest, lines = b"", 0
    while data := rest + stream.read(limit + 1 - len(rest)):
        end = len(data) if len(data) <= limit else data.rfind(_LINE)
        if end < 0:
            _check(len(data), limit, f"line {lines + 1}")
        body, rest = data[:end], data[end + 1 :]
        if end == len(data):
            body = body.removesuffix(_LINE)
        lines += body.count(_LINE) + 1
        yield body


def fill(
    records: Iterator[Record], limit: int, *, lines: bool, several: bool, size: Callable[[Record], int]
) -> Iterator[list[Record]]:
    """Yield the records of each request: one, or as many as its payload can take."""
    if not several:
        yield from ([record] for record in records)
        return
    batch: list[Record] = []
    total = 0
    for record in records:
        more = size(record) + (1 if lines and batch else 0)
        if batch and total + more > limit:
            yield batch
            batch, total, more = [], 0, size(record)
        batch.append(record)
        total += more
    if batch:
        yield batch
