"""Objects cut into records."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlberth.channels.recordio import write_record
from mlberth_local.transform.records import TransformError
from mlberth_local.transform.splitting import fill, line_blocks, split


def tf_record(body: bytes) -> bytes:
    """Return a frame of TFRecord; nobody looks at the checksums."""
    return struct.pack("<QI", len(body), 1) + body + struct.pack("<I", 2)


def record_io(*bodies: bytes) -> bytes:
    """Return frames of RecordIO."""
    stream = io.BytesIO()
    for body in bodies:
        write_record(stream, body)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "data", "bodies"),
    [
        ("None", b"a\nb\n", [b"a\nb\n"]),
        ("Line", b"a\nb\n", [b"a", b"b"]),
        ("Line", b"a\n\nb", [b"a", b"", b"b"]),
        ("Line", b"", []),
        ("RecordIO", record_io(b"abc", b"de"), [b"abc", b"de"]),
        ("TFRecord", tf_record(b"abc") + tf_record(b""), [b"abc", b""]),
    ],
)
def test_records(kind: str, data: bytes, bodies: list[bytes]) -> None:
    """Every record is there, without what stands around it; frames are the object's own bytes."""
    found = list(split(io.BytesIO(data), kind, 100))
    assert [record.body for record in found] == bodies
    if kind in ("RecordIO", "TFRecord"):
        assert b"".join(record.frame for record in found) == data


@pytest.mark.parametrize(
    ("kind", "data", "cause"),
    [
        ("None", b"x" * 11, "the object is larger"),
        ("Line", b"a\n" + b"x" * 11 + b"\nb", "line 2 is larger"),
        ("RecordIO", record_io(b"x" * 11), "at most 10 bytes"),
        ("TFRecord", tf_record(b"a") + tf_record(b"x" * 11), "record 2 is larger"),
        ("TFRecord", tf_record(b"abc")[:-1], "record 1: the object ends in it"),
        ("TFRecord", b"abc", "record 1: the object ends in its head"),
        ("RecordIO", b"abc", "the object"),
    ],
)
def test_what_cannot_be_cut(kind: str, data: bytes, cause: str) -> None:
    """The record is named."""
    with pytest.raises(TransformError, match=cause):
        list(split(io.BytesIO(data), kind, 10))


@pytest.mark.parametrize(
    ("several", "limit", "expected"),
    [(True, 5, [[b"aa", b"bb"], [b"cccc"], [b"d"]]), (False, 5, [[b"aa"], [b"bb"], [b"cccc"], [b"d"]])],
)
def test_requests_are_filled(several: bool, limit: int, expected: list[list[bytes]]) -> None:
    """As many records as the payload takes with their separators, or one by one."""
    records = split(io.BytesIO(b"aa\nbb\ncccc\nd"), "Line", 100)
    found = fill(records, limit, lines=True, several=several, size=lambda record: len(record.body))
    assert [[record.body for record in batch] for batch in found] == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 12), max_size=40),
    st.integers(1, 12),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)
def test_blocks_of_lines_are_what_filling_makes(sizes: list[int], limit: int, end: bytes) -> None:
    """Whatever the lines are, the bodies are those of `fill`; a line that is too long has the same number."""
    content = b"\n".join(b"x" * size for size in sizes) + end

    def filled() -> Iterator[bytes]:
        records = split(io.BytesIO(content), "Line", limit)
        for batch in fill(records, limit, lines=True, several=True, size=lambda record: len(record.body)):
            yield b"\n".join(record.body for record in batch)

    assert made(line_blocks(io.BytesIO(content), limit)) == made(filled())


def made(bodies: Iterator[bytes]) -> list[bytes] | str:
    """Return all bodies, or why there is an end to them."""
    try:
        return list(bodies)
    except TransformError as error:
        return str(error)
