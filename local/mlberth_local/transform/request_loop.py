"""The requests of one object on their way, several at once, in one thread."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus

from mlberth_local.transform.connection import Body, Connection, Reply
from mlberth_local.transform.model_client import ModelClient

_LOOK_SECONDS = 0.05
"""Between two looks at what is late; `wait` returns after so long in any case."""
_READ, _BOTH = select.EPOLLIN, select.EPOLLIN | select.EPOLLOUT


@dataclass(eq=False, slots=True)
class Request:
    """A request, which passes the containers of an instance."""

    body: Body
    tries: int = 0
    """As many as it has had."""
    place: int = 0
    """Of the container that has it."""
    before: Reply | None = None
    """What the container before that has answered."""
    until: float = 0.0
    """Of the present try; of one that waits for the next, when that begins. By the monotonic clock."""
    answer: bytes | None = None
    problem: str = ""
    """Why it will have no answer."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more comes of it."""
        return self.answer is not None or bool(self.problem)


@dataclass(eq=False, slots=True)
class _Lane:
    """A way through the containers, with a connection to each."""

    connections: list[Connection | None]
    request: Request | None = None


class RequestLoop:
    """Sends requests as they are submitted, at most one for each of `slots`, which other loops share."""

    def __init__(self, client: ModelClient, slots: threading.Semaphore) -> None:
        self._client = client
        self._slots = slots
        self._poll = select.epoll()
        self._queue: deque[Request] = deque()
        self._later: list[Request] = []
        """Those that are to be tried again."""
        self._busy: set[_Lane] = set()
        self._idle: list[_Lane] = []
        self._lanes: dict[int, _Lane] = {}
        """By descriptor."""
        self._next_look = 0.0

    def submit(self, body: Body) -> Request:
        """Send a request, as soon as there is room for it."""
        request = Request(body)
        self._queue.append(request)
        self._fill(blocking=False)
        return request

    def wait(self) -> None:
        """Return when something has happened, or a moment has passed."""
        if not self._busy and not self._later:
            self._fill(blocking=True)
        for number, _ in self._poll.poll(_LOOK_SECONDS):
            lane = self._lanes.get(number)
            if lane:
                self._look(lane, number)
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._see_to_times(now)

    def _see_to_times(self, now: float) -> None:
        for lane in [lane for lane in self._busy if lane.request and lane.request.until <= now]:
            assert lane.request
            self._fail(lane, lane.request, TimeoutError("timed out"))
            self._begin(lane)
        for request in [request for request in self._later if request.until <= now]:
            self._later.remove(request)
            self._queue.appendleft(request)
        self._fill(blocking=False)

    def _fill(self, *, blocking: bool) -> None:
        """Let requests of the queue begin, as many as there are slots; if `blocking`, wait for one."""
        while self._queue and self._slots.acquire(blocking=blocking):
            blocking = False
            lane = self._idle.pop() if self._idle else _Lane([None] * len(self._client.servers))
            self._busy.add(lane)
            self._begin(lane)

    def _begin(self, lane: _Lane) -> None:
        """Send the next request of the queue; if there is none, the lane gives its slot back."""
        while self._queue:
            request = lane.request = self._queue.popleft()
            request.tries += 1
            request.place, request.before = 0, None
            request.until = time.monotonic() + self._client.timeout
            if self._send(lane, request):
                return
        lane.request = None
        self._busy.discard(lane)
        self._idle.append(lane)
        self._slots.release()

    def _send(self, lane: _Lane, request: Request, *, anew: bool = False) -> bool:
        """Send to the container whose turn it is; returns whether that will have an outcome."""
        place, body = request.place, request.before.body if request.before else request.body
        # Parts that were made are gone: they are not sent on a kept connection, which may be closed already.
        anew = anew or callable(body)
        if anew:
            self._drop(lane, place)
        connection = lane.connections[place]
        try:
            connection = connection or self._connect(lane, place, anew=anew)
            if not connection.begin(self._client.head(place, request.before), body):
                self._poll.modify(connection.socket, _BOTH)
        except OSError as error:
            return self._fail(lane, request, error)
        return True

    def _fail(self, lane: _Lane, request: Request, error: OSError) -> bool:
        """Close the connection of a request that has failed; returns whether it has been sent once more."""
        place, connection = request.place, lane.connections[request.place]
        stale = connection and connection.is_kept and not connection.has_begun
        self._drop(lane, place)
        if stale and isinstance(error, ConnectionError):
            # The server has closed it meanwhile: that is no fault.
            return self._send(lane, request, anew=True)
        self._try_again(request, self._client.no_answer(place, error))
        return False

    def _try_again(self, request: Request, problem: str) -> None:
        if request.tries > self._client.retries:
            request.problem = problem
        else:
            request.until = time.monotonic() + self._client.first_pause * 2 ** (request.tries - 1)
            self._later.append(request)

    def _connect(self, lane: _Lane, place: int, *, anew: bool) -> Connection:
        connection = self._client.servers[place].connect(anew=anew)
        self._poll.register(connection.socket, _READ)
        self._lanes[connection.socket.fileno()] = lane
        lane.connections[place] = connection
        return connection

    def _drop(self, lane: _Lane, place: int) -> None:
        """Close a lane's connection to a container, if it has one."""
        connection, lane.connections[place] = lane.connections[place], None
        if connection:
            self._forget(connection)
            connection.close()

    def _forget(self, connection: Connection) -> None:
        del self._lanes[connection.socket.fileno()]
        self._poll.unregister(connection.socket)

    def _look(self, lane: _Lane, number: int) -> None:
        """Go on with what a lane's connection is at."""
        place = [one.socket.fileno() if one else -1 for one in lane.connections].index(number)
        connection, request = lane.connections[place], lane.request
        assert connection
        if request is None or request.place != place:
            self._drop(lane, place)  # nothing was asked there: the server closes it
            return
        try:
            if connection.is_sending and connection.send():
                self._poll.modify(connection.socket, _READ)
            reply = connection.receive()
        except OSError as error:
            goes_on = self._fail(lane, request, error)
        else:
            goes_on = self._take(lane, request, reply) if reply else True
        if not goes_on:
            self._begin(lane)

    def _take(self, lane: _Lane, request: Request, reply: Reply) -> bool:
        """Take what a container has answered; returns whether the request goes on to another."""
        place, connection = request.place, lane.connections[request.place]
        if connection and (connection.is_sending or not connection.is_open):
            self._drop(lane, place)
        if reply.status != HTTPStatus.OK:
            problem = self._client.bad_answer(place, reply, request.before)
            if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                request.problem = problem
            else:
                self._try_again(request, problem)
            return False
        if place + 1 < len(self._client.servers):
            request.place, request.before = place + 1, reply
            return self._send(lane, request)
        request.answer = reply.body
        return False

    def close(self) -> None:
        """Give connections back, and close those that wait for an answer."""
        for lane in self._busy:
            assert lane.request
            self._drop(lane, lane.request.place)
            self._slots.release()
        for lane in (*self._busy, *self._idle):
            for place, connection in enumerate(lane.connections):
                if connection:
                    self._forget(connection)
                    self._client.servers[place].give_back(connection)
        self._poll.close()
