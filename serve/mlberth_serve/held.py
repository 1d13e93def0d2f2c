"""The connections of a worker that wait for their next request."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator

from mlberth_serve.connection import Connection


class Held:
    """Open connections by the number of their socket, each watched by the worker's poll."""

    def __init__(
        self, poll: select.epoll, *, behind_nginx: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._poll = poll
        self._behind_nginx = behind_nginx
        self._clock = clock
        self._connections: dict[int, Connection] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        """Go through them as they are now, the longest held first."""
        return iter(list(self._connections.values()))

    def __contains__(self, connection: Connection) -> bool:
        """Tell whether a connection is one of them."""
        return connection.socket.fileno() in self._connections

    def get(self, number: int) -> Connection | None:
        """Return the one whose socket has a number."""
        return self._connections.get(number)

    def hold(self, connection: Connection) -> None:
        """Keep one until its next request has arrived."""
        if not self._behind_nginx:
            connection.socket.settimeout(0)
        connection.idle()
        number = connection.socket.fileno()
        if number not in self._connections:
            self._connections[number] = connection
            self._poll.register(number, select.EPOLLIN)

    def drop(self, connection: Connection) -> None:
        """Close a connection, held or not."""
        number = connection.socket.fileno()
        if self._connections.pop(number, None):
            self._poll.unregister(number)
        connection.close()

    def drop_oldest(self) -> None:
        """Close the one that has least time left."""
        self.drop(min(self._connections.values(), key=lambda held: held.deadline))

    def drop_overdue(self) -> None:
        """Close those whose time is over; nginx closes what it does not use by itself."""
        if not self._behind_nginx:
            now = self._clock()
            for connection in [held for held in self if held.deadline < now]:
                self.drop(connection)
