"""What the commands log, as text and as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator

import pytest

from mlberth import logs

HOSTILE = 'x\r\n2026-01-01 00:00:00,000 INFO mlberth: forged\x1b[2J\x00\x85\u2028"}'


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    """Take the handlers away again."""
    yield
    for name in ("mlberth", "mlberth_train", "mlberth_serve", "other"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.NOTSET)


def test_text_cannot_be_forged() -> None:
    """A message with line ends and escape sequences is one record: its further lines are indented."""
    stream = io.StringIO()
    logs.configure(stream=stream)
    logging.getLogger("mlberth.x").info("got %s", HOSTILE)
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" INFO mlberth.x: got x\\r")
    assert second.startswith("    2026-01-01")
    assert "\x1b" not in second
    assert "\\x1b[2J\\x00\\x85\\u2028" in second


def test_json_is_one_object_a_line() -> None:
    """Hostile messages and tracebacks stay inside one line, and are whole when it is read."""
    stream = io.StringIO()
    logs.configure(stream=stream, form=logs.JSON, fields=lambda: {"request_id": HOSTILE})
    error = ValueError(HOSTILE)
    logging.getLogger("mlberth.x").error("failed: %s", HOSTILE, exc_info=error)
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("ERROR", "mlberth.x", HOSTILE)
    assert entry["message"] == f"failed: {HOSTILE}"
    assert f"ValueError: {HOSTILE}" in entry["exception"]


def test_time_is_utc() -> None:
    """The time of an entry is RFC 3339 in UTC, whatever the machine's zone."""
    assert logs.utc_time(1_700_000_000.1239) == "2023-11-14T22:13:20.123Z"


@pytest.mark.parametrize("form", [logs.TEXT, logs.JSON])
def test_levels_are_honoured(form: str) -> None:
    """Records below the level are not written, of our loggers and of the others that are named."""
    stream = io.StringIO()
    logs.configure(logging.WARNING, stream, form=form, more=("other",))
    for name in ("mlberth_serve.x", "other"):
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud")
    assert stream.getvalue().count("loud") == 2
    assert "quiet" not in stream.getvalue()


def test_records_that_nobody_reads_are_dropped_and_counted() -> None:
    """A full pipe is not waited for; when there is room again, the number of dropped records comes first."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader) as pipe, os.fdopen(writer, "w") as stream:
        logs.configure(stream=stream, droppable=True)
        own_log = logging.getLogger("mlberth.x")
        own_log.info("first")
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"." * 4096)
        for _ in range(3):
            own_log.info("lost")
        os.set_blocking(writer, True)
        os.read(reader, 1 << 20)
        own_log.info("last")
        dropped, last = pipe.readline(), pipe.readline()
    assert "3 records before this one were dropped" in dropped
    assert last.endswith("last\n")
