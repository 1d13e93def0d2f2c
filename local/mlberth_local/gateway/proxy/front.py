"""Connections of clients: invocations are read and answered here, all else goes to the daemon as it came."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from ipaddress import ip_address
from time import monotonic
from typing import cast
from uuid import uuid4

import httptools

from mlberth_local.errors import ServiceError
from mlberth_local.gateway.proxy.answer import Answer, StreamedAnswer, encode, encode_head, error
from mlberth_local.gateway.proxy.request import Request

_LOG = logging.getLogger("mlberth.gateway")
LARGEST_BODY = 25 * 1024 * 1024
"""In bytes. Source: the platform's quotas for real-time endpoints."""
_LARGEST_LINE = 8192
_LARGEST_HEAD = 64 * 1024
_OURS = re.compile(
    rb"(?:POST /endpoints/([^/ ?]+)/(invocations(?:-response-stream)?)|GET /_mlberth/(metrics))"
    rb" HTTP/1\.[01]\r\n"
)
READ_SECONDS = 60.0
"""How long a client may pause within a request."""
IDLE_SECONDS = 900.0
"""How long a client may pause between requests."""
_DISCARD_SECONDS = 20.0
"""How long the rest of a body that is too large is read: a client that still sends would miss the answer."""

Serve = Callable[[Request], Awaitable[Answer | StreamedAnswer]]


class Front:
    """What the connections of clients have in common.

    `serve` answers requests. `check` raises `ServiceError` for a request that may not be answered; it is
    given the request, its method and path, and whether the client is on this machine's loopback. `hand_over`
    takes a connection away, with the bytes that were read.
    """

    def __init__(
        self,
        serve: Serve,
        *,
        check: Callable[[Request, str, str, bool], None],
        hand_over: Callable[[asyncio.Transport, bytes], None],
    ) -> None:
        self.serve = serve
        self.check = check
        self.hand_over = hand_over
        self.connections: set[ClientConnection] = set()
        self.stopping = False
        self._prefix = str(uuid4())[:-12]
        self._count = 0

    def request_id(self) -> str:
        """Return an id in the form of a UUID."""
        self._count += 1
        return f"{self._prefix}{self._count:012x}"

    def connection(self) -> ClientConnection:
        """Return the protocol of a new connection."""
        return ClientConnection(self, asyncio.get_running_loop())

    def sweep(self, now: float) -> None:
        """Close connections whose clients have paused for too long."""
        for one in list(self.connections):
            one.sweep(now)

    def stop(self) -> None:
        """Close idle connections now, and each other one after its answer."""
        self.stopping = True
        for one in list(self.connections):
            one.stop()


class ClientConnection(asyncio.Protocol):
    """A client's connection; its requests are answered one after the other."""

    __slots__ = (
        *("_ahead", "_answering", "_body", "_discarding", "_dropping", "_front", "_headers", "_length"),
        *(
            "_local",
            "_loop",
            "_parser",
            "_received",
            "_route",
            "_size",
            "_streaming",
            "_task",
            "_transport",
            "_used",
            "_writable",
        ),
    )

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop) -> None:
        self._front = front
        self._loop = loop
        self._route: re.Match[bytes] | None = None
        """The first line of the request that is read or answered; None between requests."""
        self._answering = False
        self._discarding = False
        self._dropping = False
        self._ahead = b""
        """What has come of a request that is not begun yet."""
        self._used = monotonic()
        self._streaming = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._local = not isinstance(peer, tuple) or ip_address(peer[0]).is_loopback
        self._front.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the connection; what it asked for is finished all the same, but for a stream."""
        self._front.connections.discard(self)
        if self._streaming:
            self._task.cancel()

    def pause_writing(self) -> None:
        """Send no more parts of a stream: the client is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on with a stream."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request, or hand the connection over if it is not an invocation."""
        self._used = monotonic()
        if self._answering:
            self._ahead += data
            self._transport.pause_reading()
            return
        if self._route is None:
            data, self._ahead = self._ahead + data, b""
            if not self._begin(data):
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as failure:
            self._refuse(ServiceError("ValidationError", f"The request is not HTTP: {failure}."))
            self._transport.close()

    def _begin(self, data: bytes) -> bool:
        """Look at the first line of a request; returns whether it is for us, and whole."""
        self._route = _OURS.match(data)
        if self._route is None:
            if b"\n" in data or len(data) > _LARGEST_LINE:
                self._front.connections.discard(self)
                self._front.hand_over(self._transport, data)
            else:
                self._ahead = data
            return False
        self._received = self._used
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = self._length = 0
        self._parser = httptools.HttpRequestParser(self)
        return True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Called by the parser, as are those that follow."""
        if self._answering:  # the next request came along with this one: it may be sent again
            self._dropping = True
            return
        self._length += len(name) + len(value)
        if self._length > _LARGEST_HEAD:
            self._refuse(
                ServiceError("ValidationError", f"The headers are larger than {_LARGEST_HEAD} bytes.")
            )
        else:
            self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """See how large the body is, and ask for it if the client waits for that."""
        if self._answering:
            return
        headers = self._headers
        if int(headers.get(b"content-length", 0)) > LARGEST_BODY:
            self._refuse_size()
        elif b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        if self._discarding or self._answering:
            return
        self._size += len(data)
        self._body.append(data)
        if self._size > LARGEST_BODY:
            self._refuse_size()

    def on_message_complete(self) -> None:
        """Answer the request."""
        if self._discarding:
            self._transport.close()
            return
        if self._answering:
            return
        assert self._route is not None
        self._answering = True
        endpoint, operation, own = self._route.groups()
        body = self._body
        request = Request(
            (endpoint or b"").decode("latin-1"),
            operation or own,
            self._headers,
            body[0] if len(body) == 1 else b"".join(body),
            self._front.request_id(),
            self._received,
        )
        self._task = self._loop.create_task(self._answer(request, self._parser.should_keep_alive()))

    async def _answer(self, request: Request, keep: bool) -> None:
        try:
            assert self._route is not None
            method, path = self._route[0].decode("latin-1").split(" ", 2)[:2]
            self._front.check(request, method, path, self._local)
            answer = await self._front.serve(request)
        except ServiceError as failure:
            answer = error(failure)
        except Exception:  # noqa: BLE001 - the client is owed an answer
            _LOG.exception("the request %s failed", request.request_id)
            answer = error(ServiceError("InternalFailure", "The gateway failed; its log has the cause.", 500))
        keep = keep and not self._front.stopping and not self._dropping
        if isinstance(answer, StreamedAnswer):
            await self._stream(answer, request.request_id, keep=keep)
        if self._transport.is_closing():
            return
        if isinstance(answer, Answer):
            self._transport.write(encode(answer, request.request_id, keep=keep))
        self._answering = False
        self._route = None
        if not keep:
            self._transport.close()
        elif self._ahead:
            self._transport.resume_reading()
            data, self._ahead = self._ahead, b""
            self.data_received(data)

    async def _stream(self, answer: StreamedAnswer, request_id: str, *, keep: bool) -> None:
        """Send an answer in chunks, as its parts come."""
        self._streaming = True
        try:
            self._transport.write(encode_head(answer, request_id, keep=keep))
            async for part in answer.parts:
                if not self._writable.is_set():
                    await asyncio.wait_for(self._writable.wait(), READ_SECONDS)
                if self._transport.is_closing():
                    break
                self._transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
            self._transport.write(b"0\r\n\r\n")
        except asyncio.TimeoutError:  # the client takes nothing any more
            self._transport.abort()
        finally:
            self._streaming = False
            await answer.parts.aclose()

    def _refuse_size(self) -> None:
        text = f"The request body is too large: HTTP content length exceeded {LARGEST_BODY} bytes."
        too_large = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        self._refuse(ServiceError("RequestEntityTooLargeException", text, too_large))

    def _refuse(self, failure: ServiceError) -> None:
        """Answer before the request is whole, and close when it is."""
        if self._discarding:
            return
        self._discarding = True
        self._body = []
        self._transport.write(encode(error(failure), self._front.request_id(), keep=False))
        self._loop.call_later(_DISCARD_SECONDS, self._transport.close)

    def sweep(self, now: float) -> None:
        """Close the connection if its client has paused for too long."""
        pause = now - self._used
        reading = self._route is not None or bool(self._ahead)
        if not self._answering and pause > (READ_SECONDS if reading else IDLE_SECONDS):
            self._transport.close()

    def stop(self) -> None:
        """Close the connection if it has no request."""
        if self._route is None:
            self._transport.close()


def detach(transport: asyncio.Transport) -> int:
    """Take a connection out of the event loop; returns a descriptor of it, which stays open."""
    descriptor = os.dup(transport.get_extra_info("socket").fileno())
    transport.abort()
    return descriptor
