"""Progress bars in a log that is no terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth.process.progress_bars import ProgressBars


def collapsed(*chunks: bytes, seconds: float = 0.0) -> bytes:
    """Feed chunks that are `seconds` apart, and return all that is written."""
    times = iter(range(10_000))
    bars = ProgressBars(interval=10, clock=lambda: next(times) * seconds)
    return b"".join([*map(bars.feed, chunks), bars.finish()])


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (b"\r 0%\r50%\r100%\n", b"100%\n"),
        (b"\r 0%\r50%\r100%", b"100%"),
        (b"epoch 1\r 0%\r100%\nnext\n", b"epoch 1\n100%\nnext\n"),
        (b"50%\r100%\r\nnext\r\n", b"50%\n100%\r\nnext\r\n"),
        (b"50%\r\rdone\n", b"50%\ndone\n"),
        (b"\r50%\r   \rdone\n", b"done\n"),
        (b"50%\r", b"50%\r"),
        (b"\r\xe2\x96\x88\xe2\x96\x88\n", b"\xe2\x96\x88\xe2\x96\x88\n"),
    ],
)
def test_last_state_of_a_bar_is_a_line(said: bytes, written: bytes) -> None:
    """Of what would be overwritten the last is kept, whatever the boundaries of the chunks are."""
    assert collapsed(said) == written
    assert collapsed(*[said[number : number + 1] for number in range(len(said))]) == written


def test_long_bar_is_seen_now_and_then() -> None:
    """A bar that runs for minutes says every few seconds where it is."""
    chunks = [b"\r%d%%" % percent for percent in range(10)]
    assert collapsed(*chunks, b"\n", seconds=4) == b"2%\n5%\n8%\n9%\n"


def test_bar_without_end_is_not_kept_in_memory() -> None:
    """What comes after a CR and is no bar passes on when it gets long."""
    bars = ProgressBars()
    bars.feed(b"\r")
    passed = sum(len(bars.feed(b"x" * 10_000)) for _ in range(100))
    assert passed + len(bars.finish()) == 1_000_000
    assert passed >= 900_000


@given(st.lists(st.binary().map(lambda data: data.replace(b"\r", b""))))
def test_what_has_no_bar_passes_at_once(chunks: list[bytes]) -> None:
    """Without a CR each chunk is written as it is, when it comes."""
    bars = ProgressBars()
    assert [bars.feed(chunk) for chunk in chunks] == chunks
    assert bars.finish() == b""


@given(st.lists(st.binary(max_size=8)))
def test_boundaries_of_chunks_do_not_matter(chunks: list[bytes]) -> None:
    """The same bytes give the same log, however they were read."""
    assert collapsed(*chunks) == collapsed(b"".join(chunks))
