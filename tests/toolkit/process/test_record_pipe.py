"""Lines of another program as records."""

from __future__ import annotations

import os

from mlberth.process.record_pipe import RecordPipe


def test_lines_have_the_level_of_their_first_word() -> None:
    """Every line is a record when the pipe is closed, half a line and bytes that are no text as well."""
    records: list[tuple[int, str]] = []
    with RecordPipe(lambda level, text: records.append((level, text))) as sink:
        os.write(sink, b"Looking in links: /x\n\n  ERROR: no\nWARN")
        os.write(sink, b"ING: old\n\xff half")
    assert records == [
        (20, "Looking in links: /x"),
        (40, "  ERROR: no"),
        (30, "WARNING: old"),
        (20, "\ufffd half"),
    ]
