"""One stream in both directions: a client's events and a container's frames, until either ends it.

Source: InvokeEndpointWithBidirectionalStream of the platform's API, and its container contract.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from time import monotonic
from urllib.parse import unquote
from uuid import uuid4

from mlberth_local import model_errors
from mlberth_local.errors import ServiceError
from mlberth_local.gateway import event_stream
from mlberth_local.gateway.duplex.container import ContainerSocket, RefusedError, open_socket
from mlberth_local.gateway.duplex.http2 import ClientGoneError, Exchange
from mlberth_local.gateway.duplex.parts import PartDecoder, PartError, encode
from mlberth_local.gateway.proxy.answer import ModelError
from mlberth_local.gateway.proxy.invocation import Invocation
from mlberth_local.gateway.proxy.request import TARGET_VARIANT, Request, check
from mlberth_local.gateway.proxy.routes import LiveEndpoint, LiveVariant, Routes
from mlberth_local.gateway.proxy.server_pool import NotTakenError

_LOG = logging.getLogger("mlberth.gateway")
OPERATION = b"invocations-bidirectional-stream"
_PATH = re.compile(rb"/endpoints/([^/?]+)/invocations-bidirectional-stream\??")
_MODEL_PATH = b"x-amzn-sagemaker-model-invocation-path"
_MODEL_QUERY = b"x-amzn-sagemaker-model-query-string"
_RULES = {
    _MODEL_PATH: ("modelInvocationPath", 100, re.compile(r"[A-Za-z0-9\-._]+(?:/[A-Za-z0-9\-._]+)*")),
    _MODEL_QUERY: (
        "modelQueryString",
        2048,
        re.compile(
            r"[a-zA-Z0-9][A-Za-z0-9_-]*=(?:[A-Za-z0-9._~\-]|%[0-9A-Fa-f]{2})+"
            r"(?:&[a-zA-Z0-9][A-Za-z0-9_-]*=(?:[A-Za-z0-9._~\-]|%[0-9A-Fa-f]{2})+)*"
        ),
    ),
}
"""The members that make the address at the container: name, longest, form. Source: the API's model."""
_CODES = {
    "ValidationError": "InputValidationError",
    "ServiceUnavailable": "ServiceUnavailableError",
    "InternalFailure": "InternalServerError",
}
"""The names that this operation's errors have in its own model."""
MOST_MISSED = 5
"""Pings without a pong, after which a container is given up. Source: the platform's container contract."""
_CLOSE_SECONDS = 10.0
"""For the container's close frame, after the client has ended the stream."""
_NORMAL, _GOING_AWAY, _PROTOCOL = 1000, 1001, 1002
"""Codes of close frames. Source: RFC 6455."""

Check = Callable[[Request, str, str, bool], None]


class Sessions:
    """Carries streams out. `finished` is told each one that is over."""

    def __init__(
        self, routes: Routes, *, check: Check, finished: Callable[[Invocation], None], ping_seconds: float
    ) -> None:
        self._routes = routes
        self._check = check
        self._finished = finished
        self._ping_seconds = ping_seconds

    async def carry_out(self, exchange: Exchange, local: bool) -> None:
        """Answer a request: with a stream, or with an error. Raises ClientGoneError."""
        request_id = str(uuid4())
        try:
            request = self._read(exchange, request_id, local)
        except ServiceError as failure:
            await refuse(exchange, failure, request_id)
            return
        invocation = Invocation(request)
        try:
            await self._serve(exchange, invocation)
        except ServiceError as failure:
            invocation.failure = failure
            await refuse(exchange, failure, request_id)
        finally:
            invocation.seconds = monotonic() - request.received
            if invocation.variant is not None:
                self._finished(invocation)

    def _read(self, exchange: Exchange, request_id: str, local: bool) -> Request:
        """Return the request without its body. Raises ServiceError."""
        headers = dict(exchange.headers)
        method, target = headers.pop(b":method", b""), headers.pop(b":path", b"")
        headers.setdefault(b"host", headers.get(b":authority", b""))
        headers = {name: value for name, value in headers.items() if not name.startswith(b":")}
        found = _PATH.fullmatch(target)
        if method != b"POST" or found is None:
            text = "Here is InvokeEndpointWithBidirectionalStream alone: POST /endpoints/NAME/"
            raise ServiceError("ValidationError", text + OPERATION.decode(), HTTPStatus.NOT_FOUND)
        name = unquote(found[1].decode("latin-1"))
        request = Request(name, OPERATION, headers, b"", request_id, monotonic())
        # Amazon's own client ends the path with a question mark.
        self._check(request, "POST", target.decode("latin-1").rstrip("?"), local)
        check(headers)
        faults = [
            f"Value at '{member}' failed to satisfy constraint: found {value!r}; expected at most {longest} "
            f"characters like {form.pattern}"
            for key, (member, longest, form) in _RULES.items()
            for value in [request.text(key)]
            if value is not None and (len(value) > longest or not form.fullmatch(value))
        ]
        if faults:
            raise ServiceError("ValidationError", "; ".join(faults))
        return request

    async def _serve(self, exchange: Exchange, invocation: Invocation) -> None:
        request, chance = invocation.request, self._routes.chance
        endpoint = invocation.endpoint = self._routes.endpoint(request.endpoint)
        variant = invocation.variant = endpoint.variant(request.text(TARGET_VARIANT), chance)
        _check_variant(endpoint, variant)
        path = "/" + (request.text(_MODEL_PATH) or OPERATION.decode())
        query = request.text(_MODEL_QUERY)
        target = f"{path}?{query}" if query else path
        for fleet, instance in variant.candidates(chance):
            invocation.fleet, invocation.instance = fleet, instance
            instance.outstanding += 1
            try:
                socket = await self._open(invocation, instance.pools[0].port, target)
            except NotTakenError as reason:
                _LOG.warning("%s: instance %s: %s", request.endpoint, instance.instance.name, reason)
                continue
            else:
                try:
                    await self._stream(exchange, invocation, variant, socket)
                finally:
                    socket.abort()
                return
            finally:
                instance.done()
        text = f"Variant {variant.variant.name} of endpoint {request.endpoint} has no instance that answers."
        raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _open(self, invocation: Invocation, port: int, target: str) -> ContainerSocket:
        headers = {
            name.decode(): value.decode("latin-1")
            for name, value in invocation.request.headers.items()
            if name.startswith(b"x-amzn-sagemaker-") and name not in _RULES
        }
        try:
            return await open_socket(port, target, headers)
        except RefusedError as refused:
            assert invocation.variant is not None
            assert invocation.endpoint is not None
            container = invocation.variant.variant.containers[0]
            arn = invocation.endpoint.endpoint.log_group_arn
            raise ModelError(container, refused.status, refused.body, log_group_arn=arn) from refused

    async def _stream(
        self, exchange: Exchange, invocation: Invocation, variant: LiveVariant, socket: ContainerSocket
    ) -> None:
        """Pass on what both sides say, until one of them has ended the stream."""
        exchange.begin(
            HTTPStatus.OK,
            [
                ("content-type", event_stream.CONTENT_TYPE.decode()),
                ("x-amzn-requestid", invocation.request.request_id),
                ("x-amzn-invoked-production-variant", variant.variant.name),
            ],
        )
        container = variant.variant.containers[0]
        up = asyncio.ensure_future(_pass_up(exchange, socket))
        down = asyncio.ensure_future(_pass_down(exchange, socket))
        alive = asyncio.ensure_future(watch(socket, self._ping_seconds))
        tasks = (up, down, alive)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            last = await self._outcome(up, down, alive, socket, container)
            if last is not None:
                await exchange.send(last)
            exchange.end()
        except ClientGoneError:
            socket.close(_GOING_AWAY)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _outcome(
        self,
        up: asyncio.Future[None],
        down: asyncio.Future[None],
        alive: asyncio.Future[None],
        socket: ContainerSocket,
        container: str,
    ) -> bytes | None:
        """Return the last event for the client, None if it has ended the stream itself."""
        if alive.done() and not alive.cancelled() and not down.done():
            socket.close(_GOING_AWAY)
            text = f"Container {container} has not answered {MOST_MISSED} pings."
            return event_stream.model_stream_error("ModelInvocationTimeExceeded", text)
        if up.done() and not down.done():
            try:
                up.result()
            except PartError as error:
                socket.close(_PROTOCOL)
                return _internal_failure(str(error))
            except OSError:  # the container is gone, which its side of the connection says, too
                await asyncio.wait([down], timeout=_CLOSE_SECONDS)
            else:
                socket.close(_NORMAL)
                await asyncio.wait([down], timeout=_CLOSE_SECONDS)
                return None
        with suppress(OSError):
            if down.done():
                down.result()
        code, reason = socket.close_code, socket.close_reason
        if code is None:
            text = model_errors.no_answer(container, "it closed the connection without a close frame")
            return event_stream.model_stream_error("StreamBroken", text)
        text = f'Received close frame from {container} with code {code} and reason "{reason}".'
        return event_stream.model_stream_error(str(code), text)


def _check_variant(endpoint: LiveEndpoint, variant: LiveVariant) -> None:
    """Raise ServiceError for what takes no streams."""
    name = endpoint.endpoint.name
    if endpoint.endpoint.asynchronous:
        text = f"Endpoint {name} takes asynchronous requests alone: call InvokeEndpointAsync."
    elif variant.variant.max_concurrency is not None:
        text = f"Variant {variant.variant.name} of endpoint {name} is serverless, and takes no such streams."
    elif variant.variant.multi_model:
        text = f"Endpoint {name} has many models; a stream in both directions names none of them."
    elif len(variant.variant.containers) > 1:
        text = f"Endpoint {name} has several containers; a stream in both directions is for one."
    else:
        return
    raise ServiceError("ValidationError", text)


async def _pass_up(exchange: Exchange, socket: ContainerSocket) -> None:
    decoder = PartDecoder()
    while (chunk := await exchange.receive()) is not None:
        for part in decoder.feed(chunk):
            await socket.send(part)
        exchange.took()  # no sooner: the client shall be no faster than the container


async def _pass_down(exchange: Exchange, socket: ContainerSocket) -> None:
    async for part in socket.frames():
        await exchange.send(encode(part))


async def watch(socket: ContainerSocket, seconds: float) -> None:
    """Return when the container has not answered several pings."""
    while socket.missed_pings < MOST_MISSED:
        socket.ping()
        await asyncio.sleep(seconds)


def _internal_failure(text: str) -> bytes:
    headers = {
        ":message-type": "exception",
        ":exception-type": "InternalStreamFailure",
        ":content-type": "application/json",
    }
    return event_stream.message(headers, json.dumps({"Message": text}).encode())


async def refuse(exchange: Exchange, failure: ServiceError, request_id: str) -> None:
    """Answer with an error, in the form of the protocol rest-json. Raises ClientGoneError."""
    code = _CODES.get(failure.code, failure.code)
    fields = failure.fields if isinstance(failure, ModelError) else {}
    body = json.dumps({"Message": failure.message, "message": failure.message, **fields}).encode()
    headers = [
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("x-amzn-errortype", code),
        ("x-amzn-requestid", request_id),
    ]
    exchange.begin(failure.status, headers)
    await exchange.send(body)
    exchange.end()
