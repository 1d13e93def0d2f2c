"""What the commands say of themselves."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from mlberth_train.log import ERROR, INFO, WARNING, Log

NOON = 1_700_049_600.25


def written(tmp_path: Path, *lines: tuple[int, str], level: int = INFO, as_json: bool = False) -> list[str]:
    """Return what a log writes."""
    with (tmp_path / "log").open("w+b") as file:
        log = Log(level, as_json=as_json, sink=file.fileno(), clock=lambda: NOON)
        for line in lines:
            log.write(*line)
    return (tmp_path / "log").read_text().splitlines()


def test_lines_below_the_level_are_left_out(tmp_path: Path) -> None:
    """A line has time, level and name, and is there from the level on."""
    lines = written(tmp_path, (INFO, "one"), (WARNING, "two"), level=WARNING)
    assert [line[19:] for line in lines] == [",250 WARNING mlberth_train: two"]


def test_json_lines_are_objects(tmp_path: Path) -> None:
    """With JSON each line is one object, whatever the text holds."""
    (line,) = written(tmp_path, (ERROR, 'a\n"b"\udcff'), as_json=True)
    entry = {"time": "2023-11-15T12:00:00.250Z", "level": "ERROR", "logger": "mlberth_train"}
    assert json.loads(line) == {**entry, "message": 'a\n"b"\udcff'}


def test_closed_output_does_no_harm() -> None:
    """A reader who has gone takes our lines with him, and not the job."""
    reader, writer = os.pipe()
    os.close(reader)
    Log(sink=writer).write(ERROR, "nobody hears this")
    os.close(writer)


def test_what_the_toolkit_logs_is_taken_over(tmp_path: Path) -> None:
    """Records of our modules appear as lines; the root logger stays the user's."""
    with (tmp_path / "log").open("w+b") as file:
        Log(sink=file.fileno()).take_over_logging()
        logging.getLogger("mlberth.code.sources").warning("moved %s", "code")
    assert (tmp_path / "log").read_text().endswith("WARNING mlberth.code.sources: moved code\n")


def test_text_cannot_be_forged(tmp_path: Path) -> None:
    """What comes from outside ends no line of ours and moves no cursor."""
    hostile = "x\r\n2026-01-01 00:00:00,000 INFO mlberth_train: forged\x1b[2J\x00\x9b31m"
    first, second = written(tmp_path, (ERROR, hostile))
    assert first.endswith("ERROR mlberth_train: x\\r")
    assert second.startswith("    2026-01-01")
    assert (first + second).isprintable()
