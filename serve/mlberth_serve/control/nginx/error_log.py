"""nginx's log, which comes through us: its errors, in our form, and the access log.

nginx writes whatever bytes a client has sent, and would wait for a reader of its output with every request
that it has. So it writes into a pipe that never makes it wait, which the supervisor empties whenever it
looks after its children: no thread of its own, since it starts processes as it goes.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import time
from collections.abc import Callable

from mlberth import logs
from mlberth.log_outlet import Outlet
from mlberth_serve.shared.access_log import ACCESS_MARK, finish_line

LOGGER = "nginx"
_PIPE_BYTES = 1 << 20
"""So much that nginx need not drop lines, whatever it has to say within one turn."""
_MAX_BYTES = 4 * _PIPE_BYTES
"""Of one turn: the supervisor has other things to do."""
_PIECE_LINES = 16
_MAX_LINES = 20
"""Of nginx's errors within a second: some are written for each request, or for each connection."""
_LINE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>\w+)\] \d+#\d+: (?P<message>.*)", re.DOTALL)
# One for each try of each request while the model loads. If nobody listens later, the supervisor says so.
_NOBODY_LISTENS = re.compile(rb"connect\(\) to unix:gunicorn\.sock failed \((2|111): ")
_OF_A_CLIENT = ", client: "
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
    """A pipe for nginx's standard error; `forward` passes on the lines in it."""

    def __init__(
        self,
        access: Outlet | None = None,
        form: str = logs.TEXT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # the machine may allow no more than it has
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._access = access
        self._form = form
        self._clock = clock
        self._rest = b""
        self._second = 0.0
        self._lines = 0
        self.is_busy = False
        """Whether there were lines the last time, so that more may come soon."""

    def close_writer(self) -> None:
        """Leave the pipe's end to nginx alone, which has been started with it."""
        os.close(self.writer)

    def forward(self) -> None:
        """Pass on what nginx has written since the last time."""
        self._begin_second()
        self.is_busy = False
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while taken < _MAX_BYTES and (read := os.read(self._reader, _PIPE_BYTES)):
                taken += len(read)
                self.is_busy = True
                *lines, self._rest = (self._rest + read).split(b"\n")
                self._pass_on(lines)

    def _begin_second(self) -> None:
        now = self._clock()
        if now - self._second < 1:
            return
        if self._lines > _MAX_LINES:
            log.warning("%d more lines of nginx's are left out", self._lines - _MAX_LINES)
        self._second, self._lines = now, 0

    def _pass_on(self, lines: list[bytes]) -> None:
        accesses = []
        for line in lines:
            if line.startswith(ACCESS_MARK):
                accesses.append(finish_line(line[1:], self._form) + b"\n")
            elif line and not _NOBODY_LISTENS.search(line):
                self._lines += 1
                if self._lines <= _MAX_LINES:
                    _log(line.decode(errors="replace"))
        if self._access:
            for first in range(0, len(accesses), _PIECE_LINES):
                piece = accesses[first : first + _PIECE_LINES]
                self._access.write(b"".join(piece), len(piece))


def _log(line: str) -> None:
    if _OF_A_CLIENT in line:
        # What follows is the client's, quotes included: nobody can say where its query ends.
        line, query, _ = line.partition("?")
        line += query and "?..."
    if found := _LINE.fullmatch(line):
        log.log(_LEVELS.get(found["level"], logging.ERROR), "%s", found["message"])
    else:
        log.error("%s", line)
