"""One session in both directions: how a WebSocket and the handler's function learn of each other's end."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable
from typing import Any

from mlberth_serve.app.http_response import REQUEST_ID
from mlberth_serve.app.session_request import SessionRequest
from mlberth_serve.app.streamed_response import End
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.session import SessionClosedError
from mlberth_serve.inference.handler_errors import to_http_error
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.streams.websocket import ABNORMAL, FAILED, GOING_AWAY, NORMAL, POLICY, WebSocket

PING_SECONDS = 60.0
"""The platform's own rhythm; nginx waits for five of them (nginx.conf)."""
_MISSED_PINGS = 5
_NEARLY = 0.95
_END_SECONDS = 1.0
"""How long `stream_fn` may go on when its client has gone."""
_STOP_SECONDS = 5.0
"""How long it may go on when the server stops."""

log = logging.getLogger(__name__)


class SessionDelivery:
    """A session, as `Deliveries` has it; it runs in the event loop."""

    def __init__(
        self, request: SessionRequest, connection: Connection, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.connection = connection
        self.cancelled_at: float | None = None
        self.headers_sent = False
        self._request = request
        self._clock = clock
        self._end = End.WHOLE
        self._cancelled: End | None = None
        self._socket: WebSocket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def variables(self) -> contextvars.Context:
        """The context variables that it is to run with."""
        return self._request.variables

    @property
    def moved(self) -> float:
        """Now: a session may be silent for as long as its client answers pings."""
        return self._clock()

    async def run_async(self) -> None:
        """Accept the session, and let the handler have it to its end."""
        self._loop = asyncio.get_running_loop()
        name = self._request.context.request_id
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {self._request.accept}\r\n{REQUEST_ID}: {name}\r\n\r\n"
        )
        self.headers_sent = True
        socket = self._socket = WebSocket(self.connection, self._request.model, self._request.max_bytes)
        self._request.observer.begin()
        try:
            await socket.write(head.encode("latin-1"))
        except SessionClosedError:
            self._end = End.GONE
            return
        task = asyncio.ensure_future(self._request.function(socket, self._request.context))
        reader = asyncio.ensure_future(socket.read_all())
        try:
            await self._attend(socket, task, reader)
        finally:
            task.cancel()
            await self._close(socket, task)
            await asyncio.wait({reader}, timeout=_END_SECONDS)  # for the client's own close frame
            reader.cancel()

    async def _attend(
        self, socket: WebSocket, task: asyncio.Future[None], reader: asyncio.Future[None]
    ) -> None:
        """Wait for the handler's function, which has a while when the session is over; ping meanwhile."""
        leaving = asyncio.ensure_future(socket.left.wait())
        try:
            while not (task.done() or reader.done() or leaving.done()):
                waited: set[asyncio.Future[Any]] = {task, reader, leaving}
                await asyncio.wait(waited, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if self._clock() - socket.heard > _MISSED_PINGS * PING_SECONDS:
                    return
                if self._clock() - socket.pinged > PING_SECONDS * _NEARLY:
                    await socket.ping()
        except SessionClosedError:
            pass
        finally:
            leaving.cancel()
        await asyncio.wait({task}, timeout=_STOP_SECONDS if socket.left.is_set() else _END_SECONDS)

    async def _close(self, socket: WebSocket, task: asyncio.Future[None]) -> None:
        """Tell the client how the handler's function has ended."""
        error = (await asyncio.gather(task, return_exceptions=True))[0]
        code, reason = (GOING_AWAY if socket.left.is_set() else NORMAL), ""
        if socket.close_code == ABNORMAL:
            self._end = End.GONE
        if isinstance(error, BaseException) and not isinstance(
            error, SessionClosedError | asyncio.CancelledError
        ):
            self._end = End.FAILED
            known = error if isinstance(error, RequestError) else to_http_error(error, "stream_fn")
            code, reason = (POLICY if known.status < 500 else FAILED), known.message
            log.error("request %s: stream_fn failed", self._request.context.request_id, exc_info=error)
        with contextlib.suppress(SessionClosedError):
            await socket.close(code, reason)

    def leave(self) -> None:
        """Tell the handler and the client that the server stops; from any thread."""
        if self._loop and self._socket:
            self._loop.call_soon_threadsafe(self._socket.leave)

    def cancel(self, end: End) -> None:
        """Note that the client is gone; the task is cancelled next."""
        self._cancelled = end
        self.cancelled_at = self._clock()

    def finish(self) -> None:
        """Count it."""
        size = self._socket.sent if self._socket else 0
        self._request.observer.end(self._cancelled or self._end, "101 Switching Protocols", size)
