"""Responses of nginx without a worker, read from a list of all responses, which is cut off as it grows.

nginx cannot count, and a condition on what it lists would take regular expressions in its configuration.
A list costs it a few bytes an answer, written once a second.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

LIST = "front.log"
DIRECT_SNIPPETS = {
    "http.d/front.conf": "log_format front '$status $upstream_header_time';\n",
    "server.d/front.conf": f"access_log {LIST} front buffer=8k flush=1s;\n",
}
"""The files that make nginx write the list, by their path below the private folder."""
_CUT_BYTES = 1 << 20
_PIECE_BYTES = 1 << 16
_OF_NO_WORKER = re.compile(rb"^(\d+) [-, :]*$", re.MULTILINE)
"""The responses for which no worker, or none of several, has sent a head that nginx took."""


class DirectResponses:
    """Counts by status."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LIST
        self._read = 0
        self._rest = b""
        self.counts: Counter[int] = Counter()

    def refresh(self) -> None:
        """Count what has come since the last time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                while piece := file.read(_PIECE_BYTES):
                    self._count(piece)
        except FileNotFoundError:  # without nginx
            return
        if self._read > _CUT_BYTES:
            # nginx appends, wherever the end is. What it writes between our two calls is not counted.
            os.truncate(self._path, 0)
            self._read = 0

    def _count(self, piece: bytes) -> None:
        self._read += len(piece)
        text = self._rest + piece
        end = text.rfind(b"\n") + 1
        self._rest = text[end:]
        self.counts.update(map(int, _OF_NO_WORKER.findall(text, 0, end)))
