"""The listen backlog: connections that no worker has accepted yet. Any worker can take what waits there."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from mlberth_serve.worker.standard_streams import above_standard

_PAUSE_SECONDS = 0.1
"""If the process has no descriptor left, say: the listener stays ready, and the worker would spin."""


class Backlog:
    """The listeners of one worker, which share their queues with those of the others."""

    def __init__(self, listeners: Sequence[Any]) -> None:
        self.listeners = {listener.fileno(): listener for listener in listeners}
        self._names = {number: listener.getsockname() for number, listener in self.listeners.items()}
        self._queue = select.poll()

    @property
    def is_nginx(self) -> bool:
        """Whether all that connects is nginx, by a unix socket in a folder of ours."""
        return all(isinstance(name, str) for name in self._names.values())

    def watch(self, poll: select.epoll) -> None:
        """Let a poll wake up when a connection waits."""
        for number, listener in self.listeners.items():
            listener.setblocking(False)
            self._queue.register(number, select.POLLIN)
            # Not EPOLLEXCLUSIVE: the one worker that it wakes may have a request on a kept connection
            # by then, and the new one would wait for that while others sleep.
            poll.register(number, select.EPOLLIN)

    def is_waiting(self) -> bool:
        """Return whether a connection waits."""
        return bool(self._queue.poll(0))

    def accept(self, listener: Any, log: Any) -> tuple[socket.socket, Any, Any] | None:
        """Return the next connection, its client's address and ours; None if no one waits any more."""
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another worker was faster, or the client has gone
            return None
        except OSError as error:
            log.warning("No connection can be taken: %s", error.strerror)
            time.sleep(_PAUSE_SECONDS)
            return None
        return above_standard(client), address, self._names[listener.fileno()]
