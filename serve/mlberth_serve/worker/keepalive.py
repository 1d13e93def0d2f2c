"""The connections of a worker that wait for their next request, and how many there may be behind nginx.

What arrives on one waits until this worker has answered what has arrived on the others, even where
another worker is idle. So there are as many as are answered in a moment, and one where a moment is not
enough for one call of the model, however many requests share it. Each has a duplicate in
gunicorn's master, which ends it where the moment is a long one.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator

from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.revocation import ConnectionRevoker

_MOMENT_SECONDS = 0.01
_WEIGHT = 0.1
"""Of the latest request in the average."""


class ConnectionPool:
    """Open connections by the number of their socket, each watched by the worker's poll."""

    def __init__(
        self,
        poll: select.epoll,
        duplicates: ConnectionRevoker | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none; there are `duplicates` behind nginx."""
        self._poll = poll
        self._duplicates = duplicates
        self._places = list(range(MAX_KEPT_CONNECTIONS))
        self._clock = clock
        self._connections: dict[int, Connection] = {}
        self._request = self._call = _MOMENT_SECONDS
        self.maximum = 1
        """How many there may be: at least 1, and no more than nginx keeps for a worker."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        """Go through them as they are now, the longest held first."""
        return iter(list(self._connections.values()))

    def __contains__(self, connection: Connection) -> bool:
        """Tell whether a connection is one of them."""
        return connection.socket.fileno() in self._connections

    def note(self, seconds: float, requests: int = 1) -> None:
        """Learn from how long a call has taken, and how many requests shared it."""
        self._call += _WEIGHT * (seconds - self._call)
        self._request += _WEIGHT * (seconds / requests - self._request)
        self.maximum = min(MAX_KEPT_CONNECTIONS, int(_MOMENT_SECONDS / self._request)) if self.is_quick else 1

    @property
    def is_quick(self) -> bool:
        """Tell whether a call of the model takes no longer than a moment; where it does there may be one."""
        return self._call <= _MOMENT_SECONDS

    def get(self, number: int) -> Connection | None:
        """Return the one whose socket has a number."""
        return self._connections.get(number)

    def hold(self, connection: Connection) -> None:
        """Keep one until its next request has arrived; where that is not possible, close it."""
        if self._duplicates is None:
            connection.socket.settimeout(0)
            connection.idle()
        if not self.entrust(connection):
            connection.close()

    def entrust(self, connection: Connection) -> bool:
        """Count one among the held, which the master can end; returns whether there was room for it."""
        number = connection.socket.fileno()
        if number in self._connections:
            return True
        if self._duplicates:
            if not self._places or not self._duplicates.give(self._places[-1], connection.socket):
                return False
            connection.bit = 1 << self._places.pop()
        self._connections[number] = connection
        self._poll.register(number, select.EPOLLIN)
        return True

    def drop(self, connection: Connection) -> None:
        """Close a connection, held or not."""
        number = connection.socket.fileno()
        if self._connections.pop(number, None):
            self._poll.unregister(number)
        if connection.bit:
            self._places.append(connection.bit.bit_length() - 1)
            connection.bit = 0
        connection.close()

    def drop_oldest(self) -> None:
        """Close the one that has least time left."""
        self.drop(min(self._connections.values(), key=lambda kept: kept.deadline))

    def drop_overdue(self) -> None:
        """Close those whose time is over; nginx closes what it does not use by itself."""
        if self._duplicates is None:
            now = self._clock()
            for connection in [kept for kept in self if kept.deadline < now]:
                self.drop(connection)
