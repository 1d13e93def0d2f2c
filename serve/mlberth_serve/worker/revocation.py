"""Duplicates of the connections that a worker keeps, with which the arbiter can close them from outside.

A request that nginx sends on a kept connection waits for that one worker. If the worker is late with
another, be it hung in C code or stopped, it can let go of nothing; so the arbiter does, and nginx sends
what waited to another worker.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterable

from mlberth_serve.shared.heartbeat import WorkerStatus

LATE_SECONDS = 0.1
"""After so long no other request waits for a worker that is busy with one. It is ten times what a worker that
keeps several connections usually takes (`keepalive.MOMENT_SECONDS`): something is stuck."""


class ConnectionRevoker:
    """The duplicates of one worker. Made before the fork: the worker registers, the arbiter does the rest.

    Always call shutdown(): closing one descriptor of a connection leaves the other open.
    """

    def __init__(self) -> None:
        self._arbiter, self._worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._arbiter.setblocking(False)  # neither side ever waits for the other
        self._worker.setblocking(False)
        self._duplicates: dict[int, socket.socket] = {}

    def register(self, slot: int, connection: socket.socket) -> bool:
        """Send the arbiter what has a slot from now on; returns whether that was possible."""
        try:
            socket.send_fds(self._worker, [bytes([slot])], [connection.fileno()])
        except OSError:  # the arbiter has not looked for long, or too many descriptors are under way
            return False
        return True

    def fileno(self) -> int:
        """Return the arbiter's descriptor, which is readable when there is something to collect."""
        return self._arbiter.fileno()

    @property
    def has_connections(self) -> bool:
        """Whether the arbiter knows of a kept connection."""
        return bool(self._duplicates)

    def collect(self) -> None:
        """Take, in the arbiter, what the worker has registered, and give up what has ended."""
        self._close_ended()
        with contextlib.suppress(BlockingIOError):
            while True:
                # A byte at a time: each is the slot of the descriptor that came with it.
                slots, descriptors, *_ = socket.recv_fds(self._arbiter, 1, 1)
                if not slots:
                    return
                if former := self._duplicates.pop(slots[0], None):
                    former.close()
                for descriptor in descriptors:  # none if the arbiter may have no more
                    self._duplicates[slots[0]] = socket.socket(
                        socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor
                    )

    def _close_ended(self) -> None:
        poll = select.poll()
        for connection in self._duplicates.values():
            poll.register(connection, 0)  # that both sides have ended is always reported
        ended = {descriptor for descriptor, _ in poll.poll(0)}
        for slot in [slot for slot, duplicate in self._duplicates.items() if duplicate.fileno() in ended]:
            self._duplicates.pop(slot).close()

    def revoke_except(self, working: int = 0) -> None:
        """Shut all connections down but those in `working`, which has a bit for each slot."""
        for slot in [slot for slot in self._duplicates if not working >> slot & 1]:
            connection = self._duplicates.pop(slot)
            with contextlib.suppress(OSError):  # the worker has shut it down
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def end(self) -> None:
        """Shut down what a worker has left behind."""
        self.collect()
        self.revoke_except()
        self.close()

    def close(self) -> None:
        """Close the descriptors, in a process that has nothing to do with them."""
        for connection in (*self._duplicates.values(), self._arbiter, self._worker):
            connection.close()


def revoke_stuck(workers: Iterable[tuple[ConnectionRevoker, WorkerStatus]], now: float) -> None:
    """Free what waits behind a request that takes long: nginx asks another worker.

    The connections of the request itself stay; its response may still come.
    """
    for revoker, status in workers:
        revoker.collect()  # of every worker: what it registers must not fill the socket
        if status.is_late(now, LATE_SECONDS):
            revoker.revoke_except(status.working)
