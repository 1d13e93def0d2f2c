"""One streamed response on its way to one client: read a piece, send it, and only then read the next."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import select
import socket
import struct
import threading
import time
from collections.abc import Callable

from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.app.streamed_response import End, StreamedResponse
from mlberth_serve.errors import RequestError, describe_timeout
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.fast_path import GoneError, response_head
from mlberth_serve.worker.http.response_writer import refusal

_LOOK_SECONDS = 0.25
"""How often a client that takes nothing is looked after."""
_PART_BYTES = 65536
"""Each part of a large piece may take as long as the timeout."""
_LAST_CHUNK = b"0\r\n\r\n"


class Delivery:
    """A response, the connection that it belongs to, and how far it has come.

    The thread that runs it is the only one that sends. `cancel` may come from any other.
    """

    def __init__(
        self,
        response: StreamedResponse,
        connection: Connection,
        *,
        timeout: float,
        chunked: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `chunked`, for HTTP/1.0, the end of the connection is the end of the body."""
        self.connection = connection
        self._response = response
        self._timeout = timeout
        self._chunked = chunked
        self._clock = clock
        self._lock = threading.Lock()
        self._cancelled: End | None = None
        self._status_line = "499 Client Closed Request"
        self._size = 0
        self._end = End.WHOLE
        self.headers_sent = False
        """Whether a part of the response may be on the wire."""
        self.moved = clock()
        """When the latest piece was made or taken; it stalls from then on."""
        self.cancelled_at: float | None = None
        """When it was told to end; a generator that waits for something may go on for a while."""

    @property
    def concurrent(self) -> bool:
        """Whether the worker may do something else meanwhile."""
        return self._response.concurrent

    @property
    def is_async(self) -> bool:
        """Whether it is an event loop that runs it."""
        return self._response.body.is_async

    @property
    def variables(self) -> contextvars.Context:
        """The context variables that it is to run with."""
        return self._response.variables

    def run(self, tick: Callable[[], None] = lambda: None) -> None:
        """Send the stream to its end, with a `tick` between two pieces, which may raise GoneError."""
        body = self._response.body
        try:
            piece = body.read()
            self._send(self._begin(piece), tick)
            while piece is not None and not self._is_over:
                tick()
                piece = body.read()
                self._send(self._frame(piece), tick)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the response ends with it
            with contextlib.suppress(GoneError):
                tick()
                self._send(self._break_off(error), tick)
        finally:
            body.close()

    async def run_async(self) -> None:
        """Send a stream whose generator is async; to cancel the task ends it at its `await`."""
        body = self._response.body
        try:
            piece = await body.read_async()
            await self._send_async(self._begin(piece))
            while piece is not None and not self._is_over:
                piece = await body.read_async()
                await self._send_async(self._frame(piece))
        except BaseException as error:  # noqa: BLE001 - as in `run`
            with contextlib.suppress(GoneError):
                await self._send_async(self._break_off(error))
        finally:
            await body.close_async()

    def cancel(self, end: End) -> None:
        """Let nothing more be sent; a client that has stalled before there was anything gets its error."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled, unheard = end, not self.headers_sent
            self.cancelled_at = self._clock()
        sock = self.connection.socket
        with contextlib.suppress(OSError):
            if unheard and end is End.STALLED:
                text = f"No answer within {describe_timeout(self._timeout)}."
                sock.send(refusal(RequestError(504, "timeout", text)), socket.MSG_DONTWAIT)
                self._status_line = "504 Gateway Timeout"
            sock.shutdown(socket.SHUT_RDWR)  # whoever waits for the client to take something wakes up

    def finish(self) -> None:
        """Count it, in the worker's own thread; the connection is closed next."""
        if self._end is not End.WHOLE and self.headers_sent and not self._chunked:
            # In HTTP/1.0 nothing else tells a client that a body is not whole.
            with contextlib.suppress(OSError):
                reset = struct.pack("ii", 1, 0)
                self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self.connection.socket.close()
        self._response.observer.end(self._end, self._status_line, self._size)

    @property
    def _is_over(self) -> bool:
        return self._status_line.startswith(("204", "304"))  # a status that has no body

    def _begin(self, piece: bytes | None) -> bytes:
        head = self._response.make_head()
        self._claim()
        self._status_line = head.status_line
        if head.omits_body:
            return response_head(head, keep=False)
        if self._chunked:
            head.headers.append(("Transfer-Encoding", "chunked"))
        return response_head(head, keep=False) + self._frame(piece)

    def _frame(self, piece: bytes | None) -> bytes:
        """Return a piece, None for the end, as it goes over the wire."""
        if not piece:
            return _LAST_CHUNK if piece is None and self._chunked else b""
        self._size += len(piece)
        return b"%X\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece

    def _break_off(self, error: BaseException) -> bytes:
        """Note why the stream ends before its end; returns what its client can still be told."""
        if self._cancelled or isinstance(error, GoneError | asyncio.CancelledError):
            self._end = self._cancelled or End.GONE
            return b""
        if isinstance(error, StalledError):
            self._end = End.STALLED
            return b""
        self._end = End.FAILED
        if self.headers_sent:
            self._response.log_break(error, self._size)
            return b""
        response: HTTPResponse = self._response.make_error(error)
        self._claim()
        self._status_line = response.status_line
        return response_head(response, keep=False) + response.body

    def _claim(self) -> None:
        """Take the right to send, unless somebody else has told the client something; raises GoneError."""
        with self._lock:
            if self._cancelled:
                raise GoneError
            self.headers_sent = True

    def _send(self, data: bytes, tick: Callable[[], None]) -> None:
        """Send all of it, as the client takes it; raises GoneError, or StalledError if it takes nothing."""
        rest, sock = memoryview(data), self.connection.socket
        self._note_move()
        while rest:
            try:
                rest = rest[sock.send(rest, socket.MSG_DONTWAIT) :]
                self._note_move()
            except BlockingIOError:
                self._wait(sock)
                tick()
            except OSError as error:
                raise GoneError from error

    def _wait(self, sock: socket.socket) -> None:
        poll = select.poll()
        poll.register(sock, select.POLLOUT)
        if not poll.poll(_LOOK_SECONDS * 1000) and self._clock() - self.moved > self._timeout:
            raise StalledError

    async def _send_async(self, data: bytes) -> None:
        loop, sock, rest = asyncio.get_running_loop(), self.connection.socket, memoryview(data)
        self._note_move()
        try:
            while rest:
                part = rest[:_PART_BYTES]
                try:
                    sent = sock.send(part)  # nearly always all of it, and without the price of a timeout
                    await asyncio.sleep(0)
                except BlockingIOError:
                    sent = len(part)
                    await asyncio.wait_for(loop.sock_sendall(sock, part), self._timeout)
                rest = rest[sent:]
                self._note_move()
        except asyncio.TimeoutError as error:
            raise StalledError from error
        except OSError as error:
            raise GoneError from error

    def _note_move(self) -> None:
        self.moved = self._clock()
        if self._cancelled:
            raise GoneError


class StalledError(Exception):
    """The client has taken nothing for as long as the timeout."""
