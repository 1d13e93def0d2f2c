"""The streams of one worker: those that it sends itself, and those that go on beside its other requests."""

from __future__ import annotations

import concurrent.futures
import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from mlberth_serve.app.streamed_response import End, StreamedResponse
from mlberth_serve.inference.event_loop import event_loop
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.fast_path import GoneError
from mlberth_serve.worker.keepalive import ConnectionPool
from mlberth_serve.worker.streams.delivery import Delivery
from mlberth_serve.worker.streams.session_delivery import SessionDelivery

MAX_STREAMS = 64
"""Of one worker. Who comes then waits, as behind any other request that takes long."""
_NEARLY = 0.95
_WAIT_SECONDS = 0.25
_DRAIN_SECONDS = 1.0
_STUCK_SECONDS = 5.0
"""How long a generator may go on after its stream was cancelled."""

log = logging.getLogger(__name__)


class Deliveries:
    """Starts concurrent deliveries, watches their clients, and counts them when they have ended.

    All of it happens in the worker's own thread, but for what the deliveries do themselves.
    """

    def __init__(
        self,
        poll: select.epoll,
        pool: ConnectionPool,
        *,
        timeout: float,
        notify: Callable[[], None],
        end_if_forked: Callable[[], None],
        is_leaving: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none; `notify` gives the worker's sign of life, and `is_leaving` tells of a stop."""
        self._poll = poll
        self._pool = pool
        self._timeout = timeout
        self._notify = notify
        self._end_if_forked = end_if_forked
        self._is_leaving = is_leaving
        self._clock = clock
        self.active: dict[int, Delivery | SessionDelivery] = {}
        """By the number of their socket."""
        self.mask = 0
        """The bits of their connections, which the arbiter must not close."""
        self._tasks: dict[int, concurrent.futures.Future[None]] = {}
        self._next_look = 0.0
        self._watched: set[int] = set()
        self._ended: deque[int] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        poll.register(self._wake, select.EPOLLIN)

    def __len__(self) -> int:
        """Return how many there are, but for those whose generator does not end."""
        return sum(not self._is_stuck(delivery) for delivery in self.active.values())

    def __contains__(self, connection: Connection) -> bool:
        """Return whether a stream goes on there."""
        return connection.socket.fileno() in self.active

    def make(self, connection: Connection, response: StreamedResponse, *, chunked: bool) -> Delivery:
        """Return what sends a stream."""
        return Delivery(response, connection, timeout=self._timeout, chunked=chunked)

    def send(self, delivery: Delivery | SessionDelivery) -> None:
        """Send a stream to its end, or only begin if it is a concurrent one."""
        if isinstance(delivery, SessionDelivery) or delivery.concurrent:
            self._start(delivery)
            return
        connection = delivery.connection

        def tick() -> None:
            self._end_if_forked()
            self._notify()  # a stream may outlast the timeout, as long as it moves
            if connection.is_abandoned():
                raise GoneError

        self._pool.lend(connection)
        delivery.run(tick)
        delivery.finish()

    def _start(self, delivery: Delivery | SessionDelivery) -> None:
        """Begin to send a stream; waits for its turn while there are as many as may be."""
        while len(self.active) >= MAX_STREAMS:
            select.select([self._wake], [], [], _WAIT_SECONDS)
            self._collect()
            self.expire()
            self._notify()
        connection = delivery.connection
        self._pool.lend(connection)
        connection.socket.setblocking(False)
        number = connection.socket.fileno()
        self.active[number] = delivery
        self.mask |= connection.mask
        self._watched.add(number)
        self._poll.register(number, 0)  # that both sides have closed is always reported
        if isinstance(delivery, SessionDelivery) or delivery.is_async:
            delivery.variables.run(self._start_task, number, delivery)
        else:
            run = delivery.variables.run
            threading.Thread(target=run, args=(self._run, number, delivery), daemon=True).start()

    def handle(self, number: int) -> None:
        """Take in what the poll has told of a descriptor that is none of the worker's own."""
        if number == self._wake:
            self._collect()
        elif number in self._watched:
            # nginx, which has the same timeout, may have been faster than `expire`.
            stalls = self._clock() - self.active[number].moved > self._timeout * _NEARLY
            self._cancel(number, End.STALLED if stalls else End.GONE)

    def expire(self) -> bool:
        """Cancel what has not moved for as long as the timeout.

        Returns whether a generator has not ended with its stream: nobody can end it but its process.
        """
        now = self._clock()
        if now < self._next_look:
            return False
        self._next_look = now + _WAIT_SECONDS
        if self._is_leaving():
            self._leave()
        for number, delivery in list(self.active.items()):
            if now - delivery.moved > self._timeout and delivery.cancelled_at is None:
                self._cancel(number, End.STALLED)
        if is_stuck := len(self) < len(self.active):
            log.error("a generator goes on though its stream is over: the worker is replaced")
        return is_stuck

    def drain(self, listeners: Iterable[int], signals: int, is_needed: Callable[[], bool]) -> None:
        """Let all but the stuck end; when the grace is over, the arbiter kills this process."""
        for listener in listeners:
            self._poll.unregister(listener)
        self._leave()
        while len(self) and is_needed():
            for number, _ in self._poll.poll(_DRAIN_SECONDS):
                if number == signals:
                    os.read(number, 4096)
                else:
                    self.handle(number)
            self.expire()
            self._notify()

    def _leave(self) -> None:
        """Let sessions end, which their clients open anew elsewhere; a stream goes on to its end."""
        for delivery in self.active.values():
            if isinstance(delivery, SessionDelivery):
                delivery.leave()

    def _collect(self) -> None:
        """Count those that have ended, and close their connections."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return
        while self._ended:
            number = self._ended.popleft()
            delivery = self.active.pop(number)
            self._tasks.pop(number, None)
            self._unwatch(number)
            delivery.finish()
            self.mask &= ~delivery.connection.mask
            self._pool.drop(delivery.connection)

    def _start_task(self, number: int, delivery: Delivery | SessionDelivery) -> None:
        async def run() -> None:
            try:
                await delivery.run_async()
            finally:  # not a callback of the future, which is done when it is cancelled, and the task is not
                self._tell(number)

        self._tasks[number] = event_loop().submit(run())

    def _run(self, number: int, delivery: Delivery) -> None:
        try:
            delivery.run()
        finally:
            self._tell(number)

    def _tell(self, number: int) -> None:
        self._ended.append(number)
        os.eventfd_write(self._wake, 1)

    def _cancel(self, number: int, end: End) -> None:
        self._unwatch(number)  # or the poll would tell it again and again
        self.active[number].cancel(end)
        if task := self._tasks.get(number):
            task.cancel()

    def _unwatch(self, number: int) -> None:
        if number in self._watched:
            self._watched.remove(number)
            self._poll.unregister(number)

    def _is_stuck(self, delivery: Delivery | SessionDelivery) -> bool:
        since = delivery.cancelled_at
        return since is not None and self._clock() - since > _STUCK_SECONDS
