"""The output of one of several ranks: each line begins with the rank, and one rank shows the progress."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from mlberth.process.progress_bars import ProgressBars

_LONGEST = 65536  # a line that is longer is written in parts
_TORCH_PREFIX = re.compile(rb"^\[rank[0-9]+\]: ")
_HEADER = b"Traceback (most recent call last):"


class PrefixedLines:
    """A filter that writes whole lines, each after a prefix, and notes when a traceback began."""

    def __init__(
        self, prefix: bytes, bars: ProgressBars | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._prefix = prefix
        self._bars = bars
        self._clock = clock
        self._line = b""
        """The line that has no end yet."""
        self.traceback_at: float | None = None
        """When the last traceback began."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what to write for the next bytes."""
        return self._whole(self._bars.feed(chunk) if self._bars else chunk)

    def finish(self) -> bytes:
        """Return what is left at the end of the output."""
        text = self._whole(self._bars.finish() if self._bars else b"")
        rest, self._line = self._line, b""
        return text + (self._prefix + rest + b"\n" if rest else b"")

    def _whole(self, chunk: bytes) -> bytes:
        *lines, self._line = (self._line + chunk).split(b"\n")
        if any(line.endswith(_HEADER) for line in lines):
            self.traceback_at = self._clock()
        if self._prefix:
            lines = [_TORCH_PREFIX.sub(b"", line) for line in lines]
        if len(self._line) > _LONGEST:
            lines.append(self._line)
            self._line = b""
        return b"".join(self._prefix + line + b"\n" for line in lines)
