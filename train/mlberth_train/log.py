"""The log of `train` and `process` themselves, line by line, on standard error.

Not with `logging`, which takes as long to import as everything of ours together, for a handful of
lines. What the toolkit's modules log on rare paths is taken over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mlberth.log_escapes import indented, json_line
from mlberth.log_outlet import Outlet
from mlberth.masking import masked_text

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_NAMES = {DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARNING", ERROR: "ERROR"}
_STDERR = 2
_PATIENCE = 1.0
"""How many seconds a line waits for its reader, once: a job that waited longer would miss its stop signal."""


class Log:
    """Writes lines from a level on, as text or as JSON objects."""

    def __init__(
        self,
        level: int = INFO,
        *,
        as_json: bool = False,
        secrets: frozenset[str] = frozenset(),
        sink: int = _STDERR,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.level = level
        self.secrets = secrets
        """What no line may hold."""
        self.as_json = as_json
        self._outlet = Outlet(sink, self._tell, patience=_PATIENCE)
        self._clock = clock

    def write(self, level: int, text: str, name: str = "mlberth_train") -> None:
        """Write one line; the further ones of a text are indented, and no control character is written."""
        if level < self.level:
            return
        text = masked_text(text, self.secrets)
        line = (self._json if self.as_json else self._text)(_NAMES.get(level, str(level)), text, name)
        self._outlet.write(_encode(line))  # which may be lost; the job goes on

    def take_over_logging(self) -> None:
        """Write what the toolkit's modules give to `logging` as well."""
        import logging

        log = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                log.write(record.levelno, record.getMessage(), record.name)

        logger = logging.getLogger("mlberth")
        logger.handlers = [Handler()]
        logger.setLevel(self.level)
        logger.propagate = False

    def _tell(self, lines: int, why: str) -> bytes:
        text = f"{lines} lines before this one were dropped: {why}"
        return _encode((self._json if self.as_json else self._text)("WARNING", text, "mlberth_train"))

    def _text(self, level: str, text: str, name: str) -> str:
        now = self._clock()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        return f"{stamp},{int(now % 1 * 1000):03} {level} {name}: {indented(text)}"

    def _json(self, level: str, text: str, name: str) -> str:
        now = self._clock()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        entry = {
            "time": f"{stamp}.{int(now % 1 * 1000):03}Z",
            "level": level,
            "logger": name,
            "message": text,
        }
        return json_line(entry)


def _encode(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")
