"""Idle keep-alive connections of one worker, and the policy of when one is kept, closed, and how many are.

Behind nginx, a request that arrives on a kept connection has to wait for this worker even if another is idle,
so a worker keeps only as many as it serves within 10 ms, and one if a single call of the model takes longer.
Each has a duplicate in the arbiter, which closes it if the worker is stuck (`revocation.py`).
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator

from mlberth_serve.shared.limits import MAX_KEPT_CONNECTIONS
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.revocation import ConnectionRevoker

MOMENT_SECONDS = 0.01
"""What a request may wait for others on the same worker: less than a client notices, and long enough for the
connections that nginx would otherwise open anew."""
_WEIGHT = 0.1
"""Of the latest request in the averages: they follow in some ten requests, and not at a single slow one."""
_MOVE_EVERY = 64
"""One connection in so many requests is closed, so that no worker has many for good while another has few."""


class KeepAlivePolicy:
    """When is a connection kept, how many are, and when must one go? Numbers in, decisions out."""

    def __init__(self, *, enabled: bool, behind_nginx: bool) -> None:
        self._enabled = enabled
        self._behind_nginx = behind_nginx
        # As if a moment were usual: one connection, until it is known that requests are quicker.
        self._request_seconds = self._call_seconds = MOMENT_SECONDS
        self._within_a_moment = 1

    def learn(self, seconds: float, requests: int = 1) -> None:
        """Take in how long a call of the model has taken, and how many requests shared it."""
        self._call_seconds += _WEIGHT * (seconds - self._call_seconds)
        self._request_seconds += _WEIGHT * (seconds / requests - self._request_seconds)
        self._within_a_moment = int(MOMENT_SECONDS / self._request_seconds)

    def max_kept(self, batch_allowance: int) -> int:
        """Return how many connections there may be behind nginx: at least 1.

        `batch_allowance` requests share a call, so at least as many may wait for it.
        """
        if self._call_seconds > MOMENT_SECONDS:
            return 1
        return min(MAX_KEPT_CONNECTIONS, max(self._within_a_moment, batch_allowance))

    def may_keep(
        self,
        *,
        alive: bool,
        others: int,
        served: int,
        batch_allowance: int,
        is_waited_for: Callable[[], bool],
    ) -> bool:
        """Return whether a connection may stay open after its response.

        `others` are open beside it, and `served` requests have been answered so far. `is_waited_for` returns
        whether a new connection waits for any worker: a function, since the answer costs a system call.
        """
        if not alive or not self._enabled:
            return False
        if not self._behind_nginx:
            return True  # the clients decide; the pool closes those that are idle for long
        maximum = self.max_kept(batch_allowance)
        if maximum == 1:
            # Any worker can take what waits in the backlog, this one alone what comes on a kept connection.
            return not others and not is_waited_for()
        return others < maximum and served % _MOVE_EVERY > 0

    def excess(self, kept: int, batch_allowance: int) -> int:
        """Return how many kept connections must go before one more is taken."""
        return max(0, kept + 1 - self.max_kept(batch_allowance))


class ConnectionPool:
    """The open connections, each watched by the worker's poll."""

    def __init__(
        self,
        poll: select.epoll,
        revoker: ConnectionRevoker | None,
        policy: KeepAlivePolicy,
        is_waited_for: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none; there is a `revoker` behind nginx. `is_waited_for` is what the policy asks."""
        self.by_number: dict[int, Connection] = {}
        """By the number of their socket, as the poll names them; the oldest first."""
        self.policy = policy
        self._poll = poll
        self._revoker = revoker
        self._is_waited_for = is_waited_for
        self._free_slots = list(range(MAX_KEPT_CONNECTIONS))
        self._clock = clock

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_number)

    def __iter__(self) -> Iterator[Connection]:
        """Go through them as they are now, the oldest first."""
        return iter(list(self.by_number.values()))

    def __contains__(self, connection: Connection) -> bool:
        """Return whether a connection is one of them."""
        return connection.is_pooled

    def may_keep(self, connection: Connection, served: int, batch_allowance: int, *, alive: bool) -> bool:
        """Return whether a connection may stay open after its response, by the policy."""
        return self.policy.may_keep(
            alive=alive,
            others=len(self.by_number) - connection.is_pooled,
            served=served,
            batch_allowance=batch_allowance,
            is_waited_for=self._is_waited_for,
        )

    def excess(self, batch_allowance: int) -> int:
        """Return how many must go before one more is taken, by the policy."""
        return self.policy.excess(len(self.by_number), batch_allowance)

    def keep(self, connection: Connection) -> None:
        """Keep one until its next request has arrived; if that is not possible, close it."""
        if self._revoker is None:
            connection.socket.settimeout(0)
            connection.idle()
        if not self.add(connection):
            connection.close()

    def add(self, connection: Connection) -> bool:
        """Make one of them, which the arbiter can close; returns whether there was room for it."""
        if connection.is_pooled:
            return True
        if self._revoker:
            # The slot comes off the list only when the arbiter has the duplicate: one that it cannot close
            # would hold up a request for as long as this worker is stuck.
            if not self._free_slots or not self._revoker.register(self._free_slots[-1], connection.socket):
                return False
            connection.mask = 1 << self._free_slots.pop()
        number = connection.socket.fileno()
        self.by_number[number] = connection
        connection.is_pooled = True
        self._poll.register(number, select.EPOLLIN)
        return True

    def lend(self, connection: Connection) -> None:
        """Take one out, whose response goes on for a while: it keeps its slot until it is dropped."""
        if connection.is_pooled:
            number = connection.socket.fileno()
            del self.by_number[number]
            connection.is_pooled = False
            self._poll.unregister(number)  # before the close: a duplicate would keep it in the poll

    def drop(self, connection: Connection) -> None:
        """Close a connection, one of them or not."""
        self.lend(connection)
        if connection.mask:
            self._free_slots.append(connection.mask.bit_length() - 1)
            connection.mask = 0
        connection.close()

    def drop_oldest(self) -> None:
        """Close the one that has least time left."""
        self.drop(min(self.by_number.values(), key=lambda kept: kept.deadline))

    def drop_overdue(self) -> None:
        """Close those whose time is over; nginx closes what it does not use by itself."""
        if self._revoker is None:
            now = self._clock()
            for connection in [kept for kept in self if kept.deadline < now]:
                self.drop(connection)
