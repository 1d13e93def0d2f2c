"""Whether anybody listens where nginx sends predictions: a server whose socket is gone is none."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from pathlib import Path

_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ECONNREFUSED}


class SocketWatch:
    """Looks at one socket; call `seconds_gone` often."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._gone_since: float | None = None

    def seconds_gone(self) -> float | None:
        """Return for how long nobody has listened; None while somebody does."""
        if is_bound(self._path):
            self._gone_since = None
            return None
        if self._gone_since is None:
            self._gone_since = self._clock()
        return self._clock() - self._gone_since


def is_bound(path: Path) -> bool:
    """Return whether a process has the stream socket at a path, without a connection that would wake it.

    Linux refuses a datagram socket's connection to one: as the wrong type if it is there.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.connect(str(path))
    except OSError as error:
        return error.errno not in _GONE
    return True
