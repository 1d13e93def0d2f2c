"""RecordIO: what is written is read, by ours and by the platform's SDK, and what is damaged is named."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth.channels.recordio import read_frames, read_records, write_record, write_records
from mlberth.errors import ContractError
from mlberth.recordio import LARGEST, MAGIC

MARK = struct.pack("<I", MAGIC)


def frame(record: bytes, kind: int = 0) -> bytes:
    """Return a frame, which may be a part of a record."""
    return MARK + struct.pack("<I", kind << 29 | len(record)) + record + bytes(-len(record) % 4)


@differential(50)
@given(st.lists(st.binary(max_size=40)))
def test_what_is_written_is_read(records: list[bytes]) -> None:
    """Records of any length, none too."""
    stream = io.BytesIO()
    write_records(stream, records)
    assert stream.getvalue() == b"".join(map(frame, records))
    stream.seek(0)
    assert list(read_records(stream)) == records


def test_a_record_in_parts() -> None:
    """A writer of dmlc's cuts a record at each magic number in it, and leaves that out."""
    whole = b"abcd" + MARK + b"efgh" + MARK + b"ij"
    stream = frame(b"abcd", 1) + frame(b"efgh", 2) + frame(b"ij", 3) + frame(b"next")
    assert list(read_frames(io.BytesIO(stream), "x")) == [(0, whole), (40 - 4, b"next")]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            frame(b"abcd") + MARK[:3],
            r"train\.rec, byte 12: found 3 bytes at the end; expected a frame's head",
        ),
        (frame(b"abcd") + b"1,2,3,4\n", r"byte 12: found the bytes 312c322c; .* lines\(\) for text"),
        (frame(b"abcd")[:-1], r"byte 0: found the end 3 bytes into a record; expected 4 bytes"),
        (frame(b"abcde")[:-1], r"byte 0: found the end 5 bytes into a record"),
        (frame(b"ab", 1), r"byte 12: found the end inside a record of several frames"),
        (frame(b"ab", 2), r"byte 0: found a frame of kind 2 after one of kind 0"),
        (frame(b"ab", 1) + frame(b"ab"), r"byte 12: found a frame of kind 0 after one of kind 1"),
        (frame(b"ab", 5), r"byte 0: found a frame of kind 5"),
        (
            MARK + struct.pack("<I", LARGEST),
            r"byte 0: found the end 0 bytes into a record; expected 536870911",
        ),
    ],
)
def test_damage_is_named(data: bytes, found: str) -> None:
    """File, byte, what stands there and what should."""
    with pytest.raises(ContractError, match=found):
        list(read_records(io.BytesIO(data), "train.rec"))


def test_a_record_larger_than_allowed() -> None:
    """A limit of one's own; the parts of a record count together."""
    assert list(read_records(io.BytesIO(frame(b"abcd")), largest=4)) == [b"abcd"]
    for data in (frame(b"abcde"), frame(b"abc", 1) + frame(b"ab", 3)):
        with pytest.raises(
            ContractError, match=r"stream, byte 0: found a record of \d bytes or more; .* at most 4"
        ):
            list(read_records(io.BytesIO(data), largest=4))
    with pytest.raises(ValueError, match="at most 536870911"):
        write_record(io.BytesIO(), _Long())  # type: ignore[arg-type]


class _Long:
    def __len__(self) -> int:
        return LARGEST + 1


def test_memory_is_one_record(tmp_path: Path) -> None:
    """Whatever is in the file, one record at a time is in memory."""
    path = tmp_path / "records"
    with path.open("wb") as file:
        write_records(file, (os.urandom(100_000) for _ in range(200)))
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            assert sum(map(len, read_records(file))) == 20_000_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
