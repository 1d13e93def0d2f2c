"""The frames of a whole body, compared with the reader of streams."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth.channels.recordio import read_records
from mlberth.errors import ContractError
from mlberth.recordio import MAGIC, MARK, RecordIOError, read_frames, write_frame


def frame(kind: int, record: bytes) -> bytes:
    """Return a frame that is one part of a record."""
    return struct.pack("<II", MAGIC, kind << 29 | len(record)) + record + bytes(-len(record) % 4)


def outcome(body: bytes, *, as_stream: bool) -> list[bytes] | None:
    """Return the records that a reader finds in a body, None if it refuses it."""
    try:
        if as_stream:
            return list(read_records(io.BytesIO(body), "body"))
        return [bytes(record) for record in read_frames(memoryview(body))]
    except (RecordIOError, ContractError):
        return None


_FRAMES = st.lists(
    st.builds(frame, st.sampled_from([0, 0, 0, 1, 2, 3, 4]), st.binary(max_size=9)), max_size=5
)


@differential(200)
@given(_FRAMES, st.integers(0, 12), st.binary(max_size=3))
def test_both_readers_agree(frames: list[bytes], cut: int, more: bytes) -> None:
    """Whole, cut off, in parts of any order, or with bytes behind them that are no frame.

    The zeros after the last record may be missing in a body, whose clients forget them.
    """
    whole = b"".join(frames)
    body = whole[: max(0, len(whole) - cut)] + more
    found = outcome(body, as_stream=False)
    expected = outcome(body, as_stream=True)
    assert found == expected or (
        expected is None and found == outcome(body + bytes(-len(body) % 4), as_stream=True)
    )


def test_records_are_not_copied_unless_they_have_parts() -> None:
    """A record of one frame is a piece of the body; the parts of one are joined by the magic number."""
    body = write_frame(b"abc") + frame(1, b"d") + frame(2, b"") + frame(3, b"e")
    view = memoryview(body)
    first, second = read_frames(view)
    assert first.obj is body
    assert bytes(first) == b"abc"
    assert bytes(second) == b"d" + MARK + MARK + b"e"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (write_frame(b"abc")[:-4], "breaks off"),
        (b"\x0a\x23", "breaks off"),
        (b"no frame", "has no frame"),
        (frame(3, b"a"), "wrong order"),
        (frame(1, b"a"), "breaks off"),
    ],
)
def test_damage_is_told_apart(body: bytes, words: str) -> None:
    """A body that is cut, one of another kind, and parts without their others."""
    with pytest.raises(RecordIOError, match=words):
        list(read_frames(memoryview(body)))
