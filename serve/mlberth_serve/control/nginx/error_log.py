"""nginx's error log where ours is JSON: nginx has one form for it, so its lines come through us.

There is a pipe, which the supervisor empties whenever it looks after its children: no thread of its own,
since it starts processes as it goes.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re

LOGGER = "nginx"
_PIPE_BYTES = 1 << 20
"""So much that nginx does not wait for us, whatever it has to say within one turn."""
_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>\w+)\] \d+#\d+: (?P<message>.*)")
_LEVELS = {
    "emerg": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}

log = logging.getLogger(LOGGER)


class NginxErrorLog:
    """A pipe for nginx's standard error; `forward` makes records of the lines in it."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        with contextlib.suppress(OSError):  # the machine may allow no more than it has
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._rest = b""

    def close_writer(self) -> None:
        """Leave the pipe's end to nginx alone, which has been started with it."""
        os.close(self.writer)

    def forward(self) -> None:
        """Log what nginx has written since the last time."""
        with contextlib.suppress(BlockingIOError):
            while read := os.read(self._reader, _PIPE_BYTES):
                *lines, self._rest = (self._rest + read).split(b"\n")
                for line in lines:
                    _log(line.decode(errors="replace"))


def _log(line: str) -> None:
    if found := _LINE.fullmatch(line):
        log.log(_LEVELS.get(found["level"], logging.ERROR), "%s", found["message"])
    elif line:
        log.error("%s", line)
