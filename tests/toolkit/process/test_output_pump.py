"""Bytes from a pipe to a file descriptor, with the tail kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlberth.process.output_pump import OutputPump

HEADER = b"Traceback (most recent call last):\n"


def kept(data: bytes, tmp_path: Path) -> bytes:
    """Pass bytes on to a file, check that all arrive, and return what is kept of them."""
    reader, writer = os.pipe()
    with (tmp_path / "sink").open("wb") as sink:
        pump = OutputPump(reader, sink.fileno())
        with os.fdopen(writer, "wb") as file:
            file.write(data)
        tail = pump.finish(10)
    assert (tmp_path / "sink").read_bytes() == data
    return tail


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1_000_000])
def test_everything_passes_and_the_tail_is_kept(tmp_path: Path, size: int) -> None:
    """All bytes arrive; the last 64 KiB of them are kept."""
    data = os.urandom(size)
    assert kept(data, tmp_path) == data[-65536:]


def test_beginning_of_a_traceback_with_an_endless_last_line_is_kept(tmp_path: Path) -> None:
    """An exception whose message is too long for the tail keeps its frames and its class."""
    beginning = HEADER + b'  File "p.py", line 3, in f\nValueError: '
    tail = kept(b"noise\n" * 50_000 + beginning + b"x" * 1_000_000 + b" end\n", tmp_path)
    assert tail.startswith(beginning)
    assert tail.endswith(b"x end\n")
    assert len(tail) <= 65536 + 16384


def test_traceback_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """A traceback that has scrolled by, with other lines after it, is not the last thing said."""
    tail = kept(HEADER + b"ValueError: handled\n" + b"noise\n" * 100_000, tmp_path)
    assert b"handled" not in tail
