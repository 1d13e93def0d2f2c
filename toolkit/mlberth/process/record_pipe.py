"""A pipe whose lines become records of a log: for the output of a program that has a form of its own."""

from __future__ import annotations

import _thread
import os
from collections.abc import Callable
from types import TracebackType

_INFO = 20
_LEVELS = {"error": 40, "warning": 30}
"""By the word before a line's first colon, as pip and uv write it."""


class RecordPipe:
    """Hands each line of its descriptor to `write`, with a level of `logging`; as a context manager."""

    def __init__(self, write: Callable[[int, str], object]) -> None:
        self._write = write

    def __enter__(self) -> int:
        """Return the descriptor to write to."""
        reader, self._writer = os.pipe2(os.O_CLOEXEC)
        # What `threading` is made of, which takes long to import.
        self._running = _thread.allocate_lock()
        self._running.acquire()
        _thread.start_new_thread(self._forward, (reader,))
        return self._writer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._writer)
        self._running.acquire()

    def _forward(self, reader: int) -> None:
        try:
            with open(reader, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if text := line.rstrip():
                        self._write(_LEVELS.get(text.partition(":")[0].strip().lower(), _INFO), text)
        finally:
            self._running.release()
