"""Duplicates of the connections that a worker keeps, in gunicorn's master.

A request that nginx sends on a kept connection waits for that one worker. Where the worker is late with
another, be it hung in C code or stopped, it can let go of nothing; so the master does, and nginx
sends what waited to another worker.
"""

from __future__ import annotations

import contextlib
import select
import socket


class ConnectionRevoker:
    """Those of one worker. It is made before the fork: the worker gives, the master does the rest.

    A connection ends with its shutdown, not with its last descriptor: whoever ends one, shuts it down.
    """

    def __init__(self) -> None:
        self._master, self._worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._master.setblocking(False)
        self._worker.setblocking(False)
        self._duplicates: dict[int, socket.socket] = {}

    def give(self, slot: int, connection: socket.socket) -> bool:
        """Give the master what takes a place from now on; returns whether that was possible."""
        try:
            socket.send_fds(self._worker, [bytes([slot])], [connection.fileno()])
        except OSError:  # the master has not looked for long, or too many descriptors are under way
            return False
        return True

    def take(self) -> None:
        """Take, in the master, what the worker has given, and give up what has ended."""
        self._close_ended()
        with contextlib.suppress(BlockingIOError):
            while True:
                slots, descriptors, *_ = socket.recv_fds(self._master, 1, 1)
                if not slots:
                    return
                if former := self._duplicates.pop(slots[0], None):
                    former.close()
                for descriptor in descriptors:  # none where the master may have no more
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

    def shut(self, working: int = 0) -> None:
        """Shut all connections down but those in `working`, which has a bit for each place."""
        for slot in [slot for slot in self._duplicates if not working >> slot & 1]:
            connection = self._duplicates.pop(slot)
            with contextlib.suppress(OSError):  # the worker has shut it down
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def end(self) -> None:
        """Shut down what a worker has left behind."""
        self.take()
        self.shut()
        self.close()

    def close(self) -> None:
        """Close the descriptors, in a process that has nothing to do with them."""
        for connection in (*self._duplicates.values(), self._master, self._worker):
            connection.close()
