"""A container's response, part by part: it is not read faster than the client takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from math import inf
from time import monotonic

import httptools

from mlberth_local.gateway.proxy.server_pool import NoReplyError, Reply, ServerConnection, ServerPool

_MOST_WAITING = 256 * 1024
"""Bytes of a response that the client has not taken yet."""


class StreamConnection(ServerConnection):
    """A connection for one request; a successful response is handed over when its headers are there."""

    __slots__ = ("_changed", "_failure", "_finished", "_parts", "_paused", "_seconds", "_waiting")

    def __init__(self, pool: ServerPool, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        super().__init__(pool, loop)
        self._seconds = seconds
        self._parts: deque[bytes] | None = None
        self._waiting = 0
        self._paused = False
        self._finished = False
        self._failure: NoReplyError | None = None
        self._changed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Read a part of the response."""
        if self._parts is None:
            super().data_received(data)
            return
        self.deadline = monotonic() + self._seconds
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(NoReplyError(f"its response is not HTTP: {error}"))

    def on_headers_complete(self) -> None:
        """Hand over a success; errors have bodies that are short, and are read whole."""
        super().on_headers_complete()
        status = self._parser.get_status_code()
        reply = self._reply
        if 200 <= status < 300 and reply is not None:
            self._parts = deque()
            self.deadline = monotonic() + self._seconds
            if not reply.done():
                reply.set_result(Reply(status, self._headers, b"", self.parts()))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        if self._parts is None:
            super().on_body(data)
            return
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting > _MOST_WAITING and not self._paused:
            self._paused = True
            self._transport.pause_reading()
            self.deadline = inf  # it is the client that takes its time
        self._changed.set()

    def on_message_complete(self) -> None:
        """Note the end."""
        if self._parts is None:
            super().on_message_complete()
            return
        self._finished = True
        self._end()

    def connection_lost(self, error: Exception | None) -> None:
        """See whether that was the end."""
        if self._parts is None:
            super().connection_lost(error)
            return
        if self._finished or self._failure:
            return
        if self._ends_with_connection and error is None:
            self._finished = True
        else:
            self._failure = NoReplyError("it closed the connection before the end of its response")
        self._end()

    def _fail(self, error: Exception) -> None:
        if self._parts is None:
            super()._fail(error)
            return
        if not self._finished and isinstance(error, NoReplyError):
            self._failure = self._failure or error
        self._end()

    def _end(self) -> None:
        self._pool.busy.discard(self)
        self._transport.abort()
        self._changed.set()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the body. Raises NoReplyError if it does not come to its end."""
        assert self._parts is not None
        try:
            while True:
                while self._parts:
                    part = self._parts.popleft()
                    self._waiting -= len(part)
                    if self._paused and self._waiting <= _MOST_WAITING // 2:
                        self._paused = False
                        self.deadline = monotonic() + self._seconds
                        if not self._transport.is_closing():
                            self._transport.resume_reading()
                    yield part
                if self._failure:
                    raise self._failure
                if self._finished:
                    return
                self._changed.clear()
                await self._changed.wait()
        finally:
            self._finished = True
            self._end()
