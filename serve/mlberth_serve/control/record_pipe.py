"""A pipe whose lines become records of our log: for the output of a program that has a form of its own."""

from __future__ import annotations

import logging
import os
import threading

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}
"""By the word before a line's first colon, as pip and uv write it."""


class RecordPipe:
    """Logs each line that is written to `writer`, until it is closed; as a context manager."""

    def __init__(self, logger: str) -> None:
        self._log = logging.getLogger(logger)

    def __enter__(self) -> int:
        """Return the descriptor to write to."""
        reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._forward, args=(reader,), daemon=True)
        self._thread.start()
        return self._writer

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        self._thread.join()

    def _forward(self, reader: int) -> None:
        with open(reader, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if text := line.rstrip():
                    level = _LEVELS.get(text.partition(":")[0].strip().lower(), logging.INFO)
                    self._log.log(level, "%s", text)
