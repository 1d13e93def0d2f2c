"""The HTTP server of the platform: one handler for the requests of all services."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from uuid import uuid4

from aiohttp import web

from mlberth_local.api import invocations
from mlberth_local.api.compression import LARGEST_REQUEST, too_large
from mlberth_local.api.dispatch import Dispatcher
from mlberth_local.api.http_answer import HttpAnswer, StreamBody
from mlberth_local.bodies import FileBody
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest
from mlberth_local.platform import Platform

_LOG = logging.getLogger("mlberth.api")
HEALTH = "/_mlberth/health"
"""Answered before the models are loaded; no bucket can have this name."""
GARBAGE = "/_mlberth/gc"
INTERRUPT = "/_mlberth/interrupt/"
"""With the name of a training job. No service has these two."""
LARGEST_LINE = 32 * 1024
"""Of a request's first line, or of a header, in bytes."""


class ApiServer:
    """Answers for one platform on any number of sockets."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._dispatcher = Dispatcher(platform)
        self._runner: web.ServerRunner | None = None
        self._sockets: list[socket.socket] = []
        self._sites: list[web.SockSite] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, sockets: list[socket.socket]) -> None:
        """Answer on bound sockets from now on; they stay open when the server stops."""
        self._loop = asyncio.get_running_loop()
        self._server = web.Server(
            self._handle,
            access_log=None,
            # An object stays as it was encoded; what else is compressed is read where its operation is.
            auto_decompress=False,
            max_line_size=LARGEST_LINE,
            max_field_size=LARGEST_LINE,
        )
        self._runner = web.ServerRunner(self._server)
        await self._runner.setup()
        self._sockets = sockets
        await self._accept(True)

    def accept(self, accepting: bool) -> None:
        """Accept connections of the sockets from now on, or leave them to the gateway; from any thread."""
        self._loop.call_soon_threadsafe(self._begin, self._accept(accepting))

    async def _accept(self, accepting: bool) -> None:
        assert self._runner
        while self._sites:
            await self._sites.pop().stop()
        for one in self._sockets if accepting else ():
            site = web.SockSite(self._runner, one.dup())
            self._sites.append(site)
            await site.start()

    def adopt(self, descriptor: int, data: bytes) -> None:
        """Answer on a connection of which the gateway has read `data`; from any thread."""
        one = socket.socket(fileno=descriptor)
        self._loop.call_soon_threadsafe(self._begin, self._adopt(one, data))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _adopt(self, one: socket.socket, data: bytes) -> None:
        with suppress(OSError):
            await self._loop.connect_accepted_socket(lambda: _Adopted(self._server, data), one)

    async def start_tls(self, one: socket.socket, context: ssl.SSLContext) -> None:
        """Answer on a further socket over TLS. Call it after `start`."""
        assert self._runner
        await web.SockSite(self._runner, one, ssl_context=context).start()

    def warm_up(self) -> None:
        """Load what the first request would wait for; in a thread."""
        self._dispatcher.warm_up()

    async def stop(self) -> None:
        """Finish what is being answered, and close."""
        if self._runner:
            await self._runner.cleanup()
        await self._dispatcher.close()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        if received.path == HEALTH:
            return web.json_response({"home": str(self._platform.home)})
        if "Origin" in received.headers and not _is_signed(received):
            # A page in a browser can send a request to this machine, but it cannot sign it.
            return web.Response(status=HTTPStatus.FORBIDDEN, text="Requests of web pages must be signed.")
        if received.path == GARBAGE and received.method == "POST":
            return web.json_response({"removed": await asyncio.to_thread(self._collect_garbage)})
        if received.path.startswith(INTERRUPT) and received.method == "POST":
            return await self._interrupt(received.path.removeprefix(INTERRUPT))
        if received.headers.get("Expect", "").lower() == "100-continue":
            # At once: botocore waits a second for it before it sends the body.
            await received.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            received.writer.output_size = 0
        request_id = str(uuid4())
        refusal = invocations.refusal(received.method, received.raw_path)  # its body may have no end
        if refusal or invocations.takes(received.method, received.raw_path):
            return _closing(refusal or await self._pass_on(received))
        found = await self._dispatcher.answer(_http_request(received), _Body(received), request_id)
        return await _send(received, found, request_id)

    def _collect_garbage(self) -> list[str]:
        parts = (self._platform.jobs, self._platform.endpoints)
        return [name for part in parts for name in part.collect_garbage()]

    async def _pass_on(self, received: web.BaseRequest) -> HttpAnswer:
        """Let the gateway answer; the client's next request goes to it without us."""
        return await invocations.answer(self._platform, _http_request(received), _Body(received).read)

    async def _interrupt(self, name: str) -> web.Response:
        from mlberth_local.sagemaker.training_jobs import interrupt_training_job

        try:
            await asyncio.to_thread(interrupt_training_job, self._platform, {"TrainingJobName": name})
        except ServiceError as error:
            found = {"__type": error.code, "message": error.message}
            return web.json_response(found, status=error.status)
        return web.json_response({})


def _closing(found: HttpAnswer) -> web.Response:
    """Return a response after which the connection is closed."""
    response = web.Response(status=found.status, headers=found.headers, body=found.body)
    response.force_close()
    return response


class _Adopted(asyncio.Protocol):
    """Gives a connection to the server's own protocol, first of all with what was read of it."""

    def __init__(self, server: web.Server, data: bytes) -> None:
        self._server = server
        self._data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make way for the server's protocol."""
        protocol = self._server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._data)


class _Body:
    """The body of a request: read whole, or in pieces."""

    def __init__(self, received: web.BaseRequest) -> None:
        self._received = received

    async def read(self) -> bytes:
        """Return the whole body, as it came. Raises `ServiceError` for one that is too large."""
        if (self._received.content_length or 0) > LARGEST_REQUEST:
            raise too_large()
        body = bytearray()
        async for piece in self._received.content.iter_any():
            body += piece
            if len(body) > LARGEST_REQUEST:
                raise too_large()
        return bytes(body)

    def pieces(self) -> AsyncIterator[bytes]:
        """Return the body in pieces as they come, as they are."""
        return self._received.content.iter_any()


def _http_request(received: web.BaseRequest) -> HttpRequest:
    path, _, query = _text(received.raw_path).partition("?")
    if path.startswith(("http://", "https://")):  # the absolute form, which clients of a proxy send
        path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"
    from multidict import CIMultiDict  # aiohttp's own

    headers: Mapping[str, str] = received.headers
    if not all(value.isascii() for value in headers.values()):
        headers = CIMultiDict((name, _text(value)) for name, value in received.headers.items())
    return HttpRequest(received.method, path, query, headers, local_client=_is_local(received))


def _text(value: str) -> str:
    """Return what was sent as text; where it is not in UTF-8, each byte is a character, as in old HTTP."""
    if value.isascii():
        return value
    sent = value.encode(errors="surrogateescape")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def _is_signed(received: web.BaseRequest) -> bool:
    return "Authorization" in received.headers or "Signature=" in received.raw_path.partition("?")[2]


def _is_local(received: web.BaseRequest) -> bool:
    peer = received.remote
    return peer is not None and ip_address(peer).is_loopback


async def _send(received: web.BaseRequest, found: HttpAnswer, request_id: str) -> web.StreamResponse:
    headers = {
        "x-amzn-RequestId": request_id,
        "x-amz-request-id": request_id,
        "Server": "mlberth",
        **found.headers,
    }
    if received.method == "HEAD":
        response = web.StreamResponse(status=found.status, headers={"Content-Length": "0", **headers})
        await response.prepare(received)
        return response
    if isinstance(found.body, StreamBody):
        return await _send_stream(received, found.body, found.status, headers)
    if isinstance(found.body, bytes):
        return web.Response(status=found.status, headers=headers, body=found.body)
    return await _send_file(received, found.body, found.status, headers)


async def _send_stream(
    received: web.BaseRequest, body: StreamBody, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    try:
        await response.prepare(received)
        async for piece in body.pieces:
            await response.write(piece)
        await response.write_eof()
    finally:
        body.close()
    return response


async def _send_file(
    received: web.BaseRequest, body: FileBody, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    """Send a part of a file by `sendfile`: no byte of it comes into this process."""
    response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(body.size)})
    # What was opened is sent, also if the object is replaced in the meantime.
    file = await asyncio.to_thread(body.path.open, "rb")
    with file:
        await response.prepare(received)
        transport = received.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        if body.size:
            await asyncio.get_running_loop().sendfile(transport, file, body.start, body.size)
        await response.write_eof()
    return response
