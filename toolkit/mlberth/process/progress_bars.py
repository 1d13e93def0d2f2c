"""Progress bars in a log: what a terminal would overwrite is left out if there is nothing to overwrite it.

Everything else passes byte for byte and at once. A line becomes a progress bar with its first carriage
return (before a newline, that is only a line's end). Of a bar's states the log gets the last one, and
while it runs one every few seconds, each as a line of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

INTERVAL_SECONDS = 10.0  # often enough to see that a job lives, in a log that is kept and paid for
_LONGEST = 65536  # a state longer than this is no bar
_TOKEN = re.compile(rb"\r\n|\r|\n|[^\r\n]+")


class ProgressBars:
    """A filter of bytes in chunks of any size; keeps at most one state of one bar."""

    def __init__(
        self,
        *,
        interval: float = INTERVAL_SECONDS,
        hidden: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = interval
        self._hidden = hidden
        """Whether bars are left out altogether: one of the processes that show the same bar is enough."""
        self._clock = clock
        self._state: bytearray | None = None
        """What the bar shows; None outside of a bar."""
        self._pending = b""
        """A carriage return at the end of a chunk: what follows says what it is."""
        self._midline = False
        """Whether the line that is being written has begun."""
        self._written = 0.0

    def feed(self, chunk: bytes) -> bytes:
        """Return what to write for the next bytes."""
        chunk, self._pending = self._pending + chunk, b""
        if self._state is None and b"\r" not in chunk:
            self._midline = not chunk.endswith(b"\n")
            return chunk
        if chunk.endswith(b"\r"):
            chunk, self._pending = chunk[:-1], b"\r"
        return b"".join(map(self._token, _TOKEN.findall(chunk)))

    def finish(self) -> bytes:
        """Return what is left at the end of the output."""
        rest, self._pending = self._pending, b""
        return self._end(b"") if self._state is not None else rest

    def _token(self, token: bytes) -> bytes:
        if token in (b"\n", b"\r\n"):
            return self._end(token)
        if token == b"\r":
            return self._begin()
        if self._state is None:
            self._midline = True
            return token
        self._state += token
        return self._end(b"") if len(self._state) > _LONGEST else b""

    def _begin(self) -> bytes:
        """Start the bar's next state; write the one before if the last written is old enough."""
        now, before = self._clock(), self._state
        self._state = bytearray()
        if self._hidden:
            return b""
        if before is None:
            self._written = now
            return b""
        if not before.strip() or now - self._written < self._interval:
            return b""
        self._written = now
        return self._line(bytes(before)) + b"\n"

    def _end(self, newline: bytes) -> bytes:
        """Write the bar's last state, if there is a bar, and the end of its line."""
        state, self._state = self._state, None
        if self._hidden and state is not None:
            return b"\n" if self._midline and newline else b""
        shown = self._line(bytes(state)) if state else b""
        self._midline = not newline and bool(shown or self._midline)
        return shown + newline

    def _line(self, state: bytes) -> bytes:
        """Return a state as a line of its own."""
        begin = b"\n" if self._midline else b""
        self._midline = False
        return begin + state
