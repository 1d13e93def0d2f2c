"""The screen of a run: its program's lines, and on a terminal one line of its own below them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

_BAR = 24
"""Characters of a bar."""
_SECONDS_BETWEEN = 0.1
_CLEAR = "\r\x1b[K"
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Screen:
    """Prints lines of a program to `out`, and what becomes of the job to `err`.

    If `err` is a terminal, its last line is drawn again and again; else each change is a line.
    """

    def __init__(
        self, out: TextIO, err: TextIO, prefix: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._err = err
        self._prefix = prefix
        self._clock = clock
        self._is_terminal = err.isatty()
        self._drawn = False
        self._drawn_at = float("-inf")

    def line(self, text: str) -> None:
        """Print a line of the program."""
        self._clear()
        print(text, file=self._out, flush=True)

    def say(self, text: str) -> None:
        """Print a line about the job."""
        self._clear()
        print(f"{self._prefix}: {text}", file=self._err, flush=True)

    def show(self, text: str, *, now: bool = False) -> None:
        """Draw the last line of a terminal, at most ten times a second unless it is `now`."""
        if not self._is_terminal or not (now or self._clock() >= self._drawn_at + _SECONDS_BETWEEN):
            return
        width = shutil.get_terminal_size().columns - 1
        self._err.write(f"{_CLEAR}{text[:width]}")
        self._err.flush()
        self._drawn, self._drawn_at = True, self._clock()

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._clear()

    def _clear(self) -> None:
        if self._drawn:
            self._err.write(_CLEAR)
            self._err.flush()
            self._drawn = False


def bar(label: str, done: int, total: int) -> str:
    """Return a bar of bytes: `code  ████████        12.0 MB of 36.0 MB`."""
    part = min(done / total, 1.0) if total else 1.0
    filled = int(part * _BAR)
    return f"{label}  {'█' * filled}{'·' * (_BAR - filled)}  {size(done)} of {size(total)}"


def size(count: int) -> str:
    """Return a number of bytes for people."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def duration(seconds: float) -> str:
    """Return a time for people: `8 s`, `3:05`, `1:02:03`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes = f"{rest // 60:02d}" if hours else str(rest // 60)
    return f"{f'{hours}:' if hours else ''}{minutes}:{rest % 60:02d}"
