"""Logging of the commands themselves, to standard error; what the user's program prints is not touched.

One record is one line of JSON, or text whose further lines are indented: what a request or a file brings
into a message can neither end its record and forge another, nor move the cursor of a terminal.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import IO

from mlberth.log_escapes import indented, json_line
from mlberth.masking import masked_text

TEXT = "text"
JSON = "json"

_LOGGERS = ("mlberth", "mlberth_train", "mlberth_serve")
_TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def no_fields() -> Mapping[str, str]:
    """Return nothing to add to a record."""
    return {}


def configure(
    level: int = logging.INFO,
    stream: IO[str] | None = None,
    *,
    form: str = TEXT,
    more: Iterable[str] = (),
    fields: Callable[[], Mapping[str, str]] = no_fields,
    droppable: bool = False,
    secrets: Iterable[str] = (),
) -> None:
    """Send records of our loggers, from `level` on, to a stream (standard error by default).

    Only our packages' loggers, those named in `more` and those below them are touched: the root logger
    is the user's. `form` is TEXT or JSON; JSON objects get what `fields` returns as the record is written.
    With `droppable` a record is dropped where nobody reads the stream, and those dropped are counted.
    No record holds one of `secrets`, nor what looks like a credential.
    """
    kind = DroppingHandler if droppable else logging.StreamHandler
    handler = kind(stream or sys.stderr)
    known = frozenset(secrets)
    handler.setFormatter(JsonFormatter(fields, known) if form == JSON else TextFormatter(known))
    for name in (*_LOGGERS, *more):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


def would_block(stream: IO[str]) -> bool:
    """Return whether a line written now would wait: the stream is a pipe that is full."""
    import select

    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
    except (OSError, ValueError):  # it is no file
        return False
    return not poll.poll(0)


class DroppingHandler(logging.StreamHandler):  # type: ignore[type-arg]  # not at run time in Python 3.10
    """Never waits for a reader of the log: a server that did would stand still with it."""

    dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, after the number of those dropped before it; or drop it."""
        if would_block(self.stream):
            self.dropped += 1
            return
        if self.dropped:
            text, self.dropped = f"{self.dropped} records before this one were dropped: nobody read them", 0
            super().emit(logging.LogRecord("mlberth", logging.WARNING, "", 0, text, None, None))
        super().emit(record)


class TextFormatter(logging.Formatter):
    """Writes records for people; lines after a record's first are indented."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        super().__init__(_TEXT_FORMAT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the record without control characters."""
        return indented(masked_text(super().format(record), self._secrets))


class JsonFormatter(logging.Formatter):
    """Writes each record as one JSON object on one line: time, level, logger, message, and what is known."""

    def __init__(
        self, fields: Callable[[], Mapping[str, str]] = no_fields, secrets: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self._fields = fields
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; a traceback is one of its values."""
        entry = {
            "time": utc_time(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": masked_text(record.getMessage(), self._secrets),
            **self._fields(),
        }
        if record.exc_info:
            entry["exception"] = masked_text(self.formatException(record.exc_info), self._secrets)
        return json_line(entry)


def utc_time(seconds: float) -> str:
    """Return a time since the epoch as RFC 3339 has it, in UTC, to the millisecond."""
    milliseconds = int(seconds * 1000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z"
