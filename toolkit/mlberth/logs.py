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

from mlberth._typing import typing
from mlberth.log_escapes import indented, json_line
from mlberth.log_outlet import Outlet
from mlberth.masking import masked_text

TEXT = "text"
JSON = "json"

FIELDS = "fields"
"""What `extra` calls a record's own fields, for JSON alone: values without secrets, by name."""
_STDERR = 2
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
    unclaimed: bool = False,
    label: str = "",
) -> None:
    """Send records of our loggers, from `level` on, to a stream (standard error by default).

    Only our packages' loggers, those named in `more` and those below them are touched: the root logger
    is the user's. `form` is TEXT or JSON; JSON objects get what `fields` returns as the record is written.
    With `droppable` a record is dropped if nobody reads the stream, and those dropped are counted.
    No record holds one of `secrets`, nor what looks like a credential. With `unclaimed` the records of all
    other loggers are sent too, until the user sets up a handler of their own, as `logging.basicConfig` does.
    `label` stands in each record of TEXT: which of several processes it is of.
    """
    stream = stream or sys.stderr
    handler: logging.Handler
    handler = _dropping(stream) if droppable else logging.StreamHandler(stream)
    handler.setFormatter(_formatter(form, fields, frozenset(secrets), label))
    for name in (*_LOGGERS, *more):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    if unclaimed:
        _take_unclaimed(handler, level)


def _take_unclaimed(handler: logging.Handler, level: int) -> None:
    """Send the records of loggers that nobody has set up to a handler; the root logger stays without one."""
    root, set_up = logging.getLogger(), logging.basicConfig
    root.setLevel(level)
    logging.lastResort = handler  # asked if no logger has a handler

    def basic_config(**options: typing.Any) -> None:
        """Set up the root logger: as Python does if the user says how, else with our handler.

        `logging.info()` and its siblings call it so, before the first record.
        """
        if options:
            set_up(**options)
        elif not root.handlers:
            root.addHandler(handler)

    logging.basicConfig = basic_config


class DroppingHandler(logging.Handler):
    """Never waits for a reader of the log: a server that did would stand still with it."""

    def __init__(self, descriptor: int = _STDERR, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding
        self._outlet = Outlet(descriptor, self.tell)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, after the number of those dropped before it; or drop it."""
        try:
            line = self._line(record)
        except Exception:  # noqa: BLE001 - as logging's own handlers have it
            self.handleError(record)
        else:
            self._outlet.write(line)

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(self._encoding, "backslashreplace")

    def tell(self, records: int, why: str) -> bytes:
        """Return the line that tells of records that were dropped."""
        text = f"{records} records before this one were dropped: {why}"
        return self._line(logging.LogRecord("mlberth", logging.WARNING, "", 0, text, None, None))


def _dropping(stream: IO[str] | None) -> DroppingHandler:
    if stream is None:  # it was closed when we were started
        return DroppingHandler()
    return DroppingHandler(stream.fileno(), getattr(stream, "encoding", None) or "utf-8")


def make_outlet(descriptor: int, form: str, *, patience: float = 0.0) -> Outlet:
    """Return a way out for other lines, in which ours tell in our form how many were dropped."""
    handler = DroppingHandler(descriptor)
    handler.setFormatter(_formatter(form))
    return Outlet(descriptor, handler.tell, patience=patience)


def _formatter(
    form: str,
    fields: Callable[[], Mapping[str, str]] = no_fields,
    secrets: frozenset[str] = frozenset(),
    label: str = "",
) -> logging.Formatter:
    return JsonFormatter(fields, secrets) if form == JSON else TextFormatter(secrets, label)


class TextFormatter(logging.Formatter):
    """Writes records for people; lines after a record's first are indented."""

    def __init__(self, secrets: frozenset[str] = frozenset(), label: str = "") -> None:
        super().__init__(_TEXT_FORMAT.replace("%(name)s", f"%(name)s [{label}]") if label else _TEXT_FORMAT)
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
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            entry["exception"] = masked_text(self.formatException(record.exc_info), self._secrets)
        return json_line(entry)


def line_time(form: str, seconds: float) -> str:
    """Return a time since the epoch as the records of a form have it."""
    if form == JSON:
        return utc_time(seconds)
    milliseconds = int(seconds * 1000)
    whole = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds // 1000))
    return f"{whole},{milliseconds % 1000:03d}"


def utc_time(seconds: float) -> str:
    """Return a time since the epoch as RFC 3339 has it, in UTC, to the millisecond."""
    milliseconds = int(seconds * 1000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z"
