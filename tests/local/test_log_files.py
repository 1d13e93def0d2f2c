"""Log streams as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_local.log_files import (
    LARGEST_MESSAGE,
    LogWriter,
    groups,
    read_events,
    stream_file,
    streams,
)


def test_lines_come_in_pieces(tmp_path: Path) -> None:
    """A line is one event however it arrives; the last one needs no end."""
    path = tmp_path / "a/log.jsonl"
    writer = LogWriter(path, clock=lambda: 1.5)
    for piece in (b"on", b"e\ntwo\n\nthr", "ée".encode()[:1], "ée".encode()[1:], b"\r\n", b"end"):
        writer.feed(piece)
    writer.finish()
    assert [(event.time, event.message) for event in read_events(path)] == [
        (1500, "one"),
        (1500, "two"),
        (1500, ""),
        (1500, "thrée"),
        (1500, "end"),
    ]


def test_reading_goes_on_from_a_byte(tmp_path: Path) -> None:
    """What is not written whole is left for later."""
    path = tmp_path / "log.jsonl"
    writer = LogWriter(path)
    writer.feed(b"1\n2\n")
    first, second = read_events(path)
    with path.open("ab") as file:
        file.write(b'{"t": 1')
    assert [event.message for event in read_events(path, first.end)] == ["2"]
    assert list(read_events(path, second.end)) == []
    writer.close()


def test_a_later_writer_goes_on(tmp_path: Path) -> None:
    """A line that was cut off by a kill goes; time does not go back; `skip` passes over what is there."""
    path = tmp_path / "log.jsonl"
    writer = LogWriter(path, clock=lambda: 9.0)
    writer.feed(b"1\n2\n")
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"t": 1')
    later = LogWriter(path, clock=lambda: 8.0)
    assert later.lines == 2
    assert later.write([b"1", b"2", b"3"], skip=later.lines) == 3
    later.close()
    assert [(event.time, event.message) for event in read_events(path)] == [
        (9000, "1"),
        (9000, "2"),
        (9000, "3"),
    ]


def test_long_lines_are_several_events(tmp_path: Path) -> None:
    """An event has a largest size, as the service has it."""
    path = tmp_path / "log.jsonl"
    writer = LogWriter(path)
    writer.feed(b"x" * (LARGEST_MESSAGE + 10) + b"\n")
    writer.finish()
    assert [len(event.message) for event in read_events(path)] == [LARGEST_MESSAGE, 10]


def test_names(tmp_path: Path) -> None:
    """Groups and streams are found again by name; none leads out of the folder."""
    for stream in ("a/algo-1-1", "a/algo-2-1", "ab/algo-1-1"):
        LogWriter(stream_file(tmp_path, "/aws/sagemaker/TrainingJobs", stream)).close()
    assert groups(tmp_path) == ["/aws/sagemaker/TrainingJobs"]
    assert streams(tmp_path, "/aws/sagemaker/TrainingJobs", "a/") == ["a/algo-1-1", "a/algo-2-1"]
    assert streams(tmp_path, "/aws/sagemaker/TrainingJobs", "a") == [
        "a/algo-1-1",
        "a/algo-2-1",
        "ab/algo-1-1",
    ]
    assert streams(tmp_path, "none") == []
    for name in ("../x", "/x", "", "a//b"):
        with pytest.raises(ValueError, match="expected a relative path"):
            stream_file(tmp_path, "g", name)
