"""The connections to one container's server: kept alive, and taken again."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from time import monotonic
from typing import cast

import httptools

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 1.0
"""After so long a connection is not taken again: servers close idle ones, gunicorn after 2 s."""
LARGEST_RESPONSE = 100 * 1024 * 1024
"""In bytes; a container that sends more is not listened to any longer."""
_BYTES_ACKED = 120
"""Where `struct tcp_info` of Linux has what the other side's kernel has taken, as a u64."""


class NotTakenError(Exception):
    """The request did not come to the server, so that it may be sent once more, or to another."""


class NoReplyError(Exception):
    """The server took the request, and did not answer; `timed_out` if it is still at it."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


@dataclass(slots=True)
class Reply:
    """A container's response."""

    status: int
    headers: dict[bytes, bytes]
    """By name in lower case."""
    body: bytes
    parts: AsyncGenerator[bytes, None] | None = None
    """The body of a streamed response, which is still to come."""


class ServerPool:
    """The connections to one port of 127.0.0.1."""

    __slots__ = ("_closed", "_idle", "busy", "port")

    def __init__(self, port: int, busy: set[ServerConnection]) -> None:
        self.port = port
        self.busy = busy
        """Connections with a request, of all pools: who sees to deadlines walks through them."""
        self._idle: list[ServerConnection] = []
        self._closed = False

    async def exchange(self, head: bytes, body: bytes, seconds: float) -> Reply:
        """Send a request and return its response.

        A connection that the server closed while nobody used it is replaced. Raises `NotTakenError` and
        `NoReplyError`.
        """
        loop = asyncio.get_running_loop()
        deadline = monotonic() + seconds
        while self._idle:
            kept = self._idle.pop()
            if monotonic() - kept.used > IDLE_SECONDS:
                kept.close()
                continue
            try:
                return await kept.exchange(head, body, deadline)
            except NotTakenError:
                continue
        fresh = await self.connect(lambda: ServerConnection(self, loop))
        return await fresh.exchange(head, body, deadline)

    async def connect(self, make: Callable[[], ServerConnection]) -> ServerConnection:
        """Return a new connection. Raises `NotTakenError`."""
        loop = asyncio.get_running_loop()
        try:
            connecting = loop.create_connection(make, "127.0.0.1", self.port)
            _, found = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError) as error:
            raise NotTakenError(f"port {self.port}: {error or 'no connection in time'}") from error
        return found

    def give_back(self, connection: ServerConnection) -> None:
        """Keep a connection for the next request."""
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def forget(self, connection: ServerConnection) -> None:
        """Keep a connection no longer: it is closed."""
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close what has not been used for long."""
        while self._idle and now - self._idle[0].used > IDLE_SECONDS:
            self._idle.pop(0).close()

    def close(self) -> None:
        """Close idle connections now, and each other one after its response."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class ServerConnection(asyncio.Protocol):
    """A connection, which has one request at a time."""

    __slots__ = (
        *("_before", "_body", "_ends_with_connection", "_headers", "_loop", "_parser", "_pool", "_reply"),
        *("_sent", "_size", "_started", "_transport", "deadline", "used"),
    )

    def __init__(self, pool: ServerPool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop
        self._reply: asyncio.Future[Reply] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._before = self._sent = 0
        """How many bytes were sent before this request, and with it."""
        self.used = 0.0
        self.deadline = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def exchange(self, head: bytes, body: bytes, deadline: float) -> asyncio.Future[Reply]:
        """Send a request; returns what will have its response."""
        found = self._reply = self._loop.create_future()
        if self._transport.is_closing():
            self._reply = None
            found.set_exception(NotTakenError("the server has closed the connection"))
            return found
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._started = False
        self._ends_with_connection = False
        self._before = self._sent
        self._sent += len(head) + len(body)
        self.deadline = deadline
        self._pool.busy.add(self)
        self._transport.writelines((head, body))
        return found

    def data_received(self, data: bytes) -> None:
        """Read a part of the response."""
        if self._reply is None:  # nothing was asked for
            self._transport.abort()
            return
        self._started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(NoReplyError(f"its response is not HTTP: {error}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Called by the parser, as are those that follow."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """See how the body ends."""
        status = self._parser.get_status_code()
        self._ends_with_connection = (
            b"content-length" not in self._headers
            and b"transfer-encoding" not in self._headers
            and status >= 200
            and status not in {204, 304}
        )

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._body.append(data)
        self._size += len(data)
        if self._size > LARGEST_RESPONSE:
            self._fail(NoReplyError(f"its response is larger than {LARGEST_RESPONSE} bytes"))

    def on_message_complete(self) -> None:
        """Hand the response over, and see whether the connection can be kept."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim one; the response is still to come
            self._headers = {}
            return
        reply, self._reply = self._reply, None
        self._pool.busy.discard(self)
        if reply is None:
            return
        body = self._body
        found = Reply(status, self._headers, body[0] if len(body) == 1 else b"".join(body))
        if self._parser.should_keep_alive() and not self._ends_with_connection:
            self.used = monotonic()
            self._pool.give_back(self)
        else:
            self._transport.close()
        if not reply.done():
            reply.set_result(found)

    def connection_lost(self, error: Exception | None) -> None:
        """Find out how far the request came."""
        self._pool.forget(self)
        if self._reply is None:
            return
        if self._ends_with_connection and error is None:
            self.on_message_complete()
        elif not self._started and not self._was_taken():
            self._fail(NotTakenError("the server closed the connection"))
        else:
            self._fail(NoReplyError("it closed the connection before it answered"))

    def expire(self) -> None:
        """Wait no longer."""
        self._fail(NoReplyError("it did not answer in time", timed_out=True))

    def close(self) -> None:
        """Close a connection that has no request."""
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        reply, self._reply = self._reply, None
        self._pool.busy.discard(self)
        if reply is not None and not reply.done():
            reply.set_exception(error)
        self._transport.abort()

    def _was_taken(self) -> bool:
        """Whether the server's kernel has taken a part of the request: then its program may have, too."""
        try:
            found = self._transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8
            )
        except OSError:
            return True
        (acked,) = struct.unpack_from("=Q", found, _BYTES_ACKED)
        return bool(acked - 1 > self._before)  # the connection's first packet counts as a byte
