"""The lines of ranks in one log."""

from __future__ import annotations

import os

from mlberth.process.output_pump import OutputPump
from mlberth.process.progress_bars import ProgressBars
from mlberth_train.ranks.prefix import PrefixedLines


def test_each_line_begins_with_the_rank() -> None:
    """Lines are written whole, whatever the chunks; the last one has no end of its own."""
    lines = PrefixedLines(b"[rank 1] ", None)
    assert lines.feed(b"one\ntw") == b"[rank 1] one\n"
    assert lines.feed(b"o\n\nthr") == b"[rank 1] two\n[rank 1] \n"
    assert lines.finish() == b"[rank 1] thr\n"
    assert lines.finish() == b""


def test_line_without_an_end_is_written_in_parts() -> None:
    """Memory stays bounded."""
    lines = PrefixedLines(b"> ", None)
    assert lines.feed(b"x" * 70_000) == b"> " + b"x" * 70_000 + b"\n"


def test_other_ranks_show_no_progress() -> None:
    """A bar is shown by one of the ranks; the other lines of the others stay."""
    bar = b"begin\n\r 10%\r 20%\r100%\nend\n"
    assert PrefixedLines(b"1 ", ProgressBars(hidden=True)).feed(bar) == b"1 begin\n1 end\n"
    assert PrefixedLines(b"0 ", ProgressBars()).feed(bar) == b"0 begin\n0 100%\n0 end\n"


def test_traceback_is_noted() -> None:
    """Its time says which of several ranks failed first."""
    lines = PrefixedLines(b"", None, clock=lambda: 7.0)
    lines.feed(b"all is well\n")
    assert lines.traceback_at is None
    lines.feed(b"Traceback (most recent ")
    lines.feed(b"call last):\n  File")
    assert lines.traceback_at == 7.0


def test_torchs_own_prefix_is_not_repeated() -> None:
    """torch.distributed marks the lines of an exception itself, which is noted all the same."""
    lines = PrefixedLines(b"[rank 3] ", None, clock=lambda: 7.0)
    text = lines.feed(b"[rank3]: Traceback (most recent call last):\n")
    assert text == b"[rank 3] Traceback (most recent call last):\n"
    assert lines.traceback_at == 7.0


def test_lines_of_two_writers_stay_whole() -> None:
    """No line is cut by another rank's, though a pipe takes 4096 bytes at once."""
    reader, sink = os.pipe()
    pumps = []
    for letter in (b"a", b"b"):
        source, writer = os.pipe()
        pumps.append(OutputPump(source, sink, change=PrefixedLines(b"", None), whole_lines=True))
        os.write(writer, b"".join(letter * 1000 + b"\n" for _ in range(25)))
        os.close(writer)
    for pump in pumps:
        pump.finish(30)
    os.close(sink)
    with open(reader, "rb") as file:  # noqa: PTH123 - a descriptor
        assert {len(line) for line in file.read().splitlines()} == {1000}
