"""A line at the bottom of a terminal that shows the latest metrics, in place of one line after the other."""

from __future__ import annotations

import atexit
import shutil
import time
from collections.abc import Callable
from typing import TextIO

_SECONDS = 0.1
_CLEAR = "\x1b[K"  # to the end of the line


class LiveLine:
    """The latest line, overwritten at most ten times a second; the last one stays."""

    def __init__(
        self, stream: TextIO | None, term: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._shown_at: float | None = None
        self._latest = ""
        try:
            self._is_live = stream is not None and stream.isatty() and term not in ("", "dumb")
        except ValueError:  # it is closed
            self._is_live = False

    def show(self, line: str) -> bool:
        """Show a line; returns whether there is a terminal to show it on."""
        if not self._is_live:
            return False
        self._latest = line
        now = self._clock()
        if self._shown_at is None:
            atexit.register(self.finish)
        elif now - self._shown_at < _SECONDS:
            return True
        self._shown_at = now
        width = shutil.get_terminal_size().columns - 1
        self._write(f"\r{line if len(line) <= width else line[: width - 1] + '…'}{_CLEAR}")
        return True

    def finish(self) -> None:
        """Leave the last line whole, and go to the next."""
        self._write(f"\r{self._latest}{_CLEAR}\n")

    def _write(self, text: str) -> None:
        try:
            assert self._stream
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone, or the program has closed the stream
            self._is_live = False
