"""Requests for the gateway that came to the daemon: on a connection of its own, or if there is no gateway."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from http.client import parse_headers
from urllib.parse import unquote

from mlberth_local.api.http_answer import HttpAnswer
from mlberth_local.endpoints.record import KIND, state_of
from mlberth_local.endpoints.routing import takes_requests
from mlberth_local.errors import ServiceError
from mlberth_local.gateway.control_socket import connect
from mlberth_local.http_request import HttpRequest
from mlberth_local.identity import signatures
from mlberth_local.operations import Exceptions
from mlberth_local.platform import ACCOUNT, Platform
from mlberth_local.store.resources import NoSuchResourceError

_INVOCATION = re.compile(r"(?:https?://[^/]+)?/endpoints/([^/?]+)/invocations(?:-response-stream)?(?:\?.*)?")
_DUPLEX = re.compile(r"(?:https?://[^/]+)?/endpoints/[^/?]+/invocations-bidirectional-stream(?:\?.*)?")
_NO_COMPONENTS = {"InferenceComponentName": "there are no inference components"}
OPERATIONS = {
    name: Exceptions(refused=_NO_COMPONENTS)
    for name in ("InvokeEndpoint", "InvokeEndpointWithResponseStream")
}
"""The operations that the gateway carries out, and the parameters that it does not."""
METRICS = "/_mlberth/metrics"
"""The counts of endpoints as Prometheus reads them."""
_CONNECT_SECONDS = 5.0
_SECONDS = 120.0
"""The gateway itself gives a container less time."""
_START_SECONDS = 20.0
"""How long a request waits for a gateway that a daemon has still to start."""
_LOOK_SECONDS = 0.02
_NOT_PASSED = frozenset({"authorization", "connection", "content-length", "expect", "transfer-encoding"})


def takes(method: str, target: str) -> bool:
    """Whether a request is the gateway's to answer."""
    return (method == "POST" and _INVOCATION.fullmatch(target) is not None) or (
        method == "GET" and target == METRICS
    )


def refusal(method: str, target: str) -> HttpAnswer | None:
    """Return the answer to a stream in both directions, which is for another port; None for all else."""
    if method != "POST" or not _DUPLEX.fullmatch(target):
        return None
    text = (
        "InvokeEndpointWithBidirectionalStream needs HTTP/2 over TLS, at the port of `mlberth up "
        "--stream-port`. Or open ws://127.0.0.1:PORT/invocations-bidirectional-stream at an instance "
        "itself, whose PORT `mlberth status NAME` shows."
    )
    body = json.dumps({"Message": text, "message": text}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": "InputValidationError"}
    return HttpAnswer(HTTPStatus.BAD_REQUEST, headers, body)


async def answer(
    platform: Platform, request: HttpRequest, read: Callable[[], Awaitable[bytes]]
) -> HttpAnswer:
    """Return the gateway's answer, or the one that there is without a gateway; `read` gives the body."""
    try:
        body = await read()
        signatures.check(request, body, platform.settings.keys, platform.clock())
        return await _answer(platform, request, body)
    except ServiceError as error:
        content = json.dumps({"Message": error.message, "message": error.message}).encode()
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        return HttpAnswer(error.status, headers, content)


async def _answer(platform: Platform, request: HttpRequest, body: bytes) -> HttpAnswer:
    invoked = _INVOCATION.fullmatch(request.raw_path)
    if await _has_gateway(platform, unquote(invoked[1]) if invoked else None):
        try:
            return await asyncio.wait_for(_ask(platform, request, body), _SECONDS)
        except (OSError, ValueError, asyncio.TimeoutError) as error:
            text = "The gateway does not answer at the moment."
            raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE) from error
    if request.raw_path == METRICS:
        return HttpAnswer(HTTPStatus.OK, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})
    assert invoked
    text = f"Endpoint {unquote(invoked[1])} of account {ACCOUNT} not found."
    raise ServiceError("ValidationError", text)


async def _has_gateway(platform: Platform, endpoint: str | None) -> bool:
    """Return whether a gateway answers; wait for one if an earlier daemon has left the endpoint in service.

    Raises ServiceError if none comes in time.
    """
    if platform.gateway is None or platform.gateway.is_used:
        return platform.gateway is not None
    if endpoint is None or not await asyncio.to_thread(_is_in_service, platform, endpoint):
        return False
    until = time.monotonic() + _START_SECONDS
    while not platform.gateway.is_used:
        if time.monotonic() > until:
            text = f"The gateway of endpoint {endpoint} is not up yet."
            raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def _is_in_service(platform: Platform, endpoint: str) -> bool:
    try:
        found = platform.jobs.context.resources.get(KIND, endpoint)
    except NoSuchResourceError:
        return False
    return takes_requests(state_of(found))


async def _ask(platform: Platform, request: HttpRequest, body: bytes) -> HttpAnswer:
    one = await asyncio.to_thread(connect, platform.gateway.http_socket, _CONNECT_SECONDS)
    reading, writing = await asyncio.open_unix_connection(sock=one)
    try:
        lines = [
            f"{name}: {value}" for name, value in request.headers.items() if name.lower() not in _NOT_PASSED
        ]
        lines += [f"Content-Length: {len(body)}", "Connection: close"]
        head = "\r\n".join([f"{request.method} {request.raw_path} HTTP/1.1", *lines, "", ""])
        writing.write(head.encode() + body)
        await writing.drain()
        content = io.BytesIO(await reading.read())
    finally:
        writing.close()
    status = int(content.readline().split()[1])
    headers = dict(parse_headers(content).items())
    headers.pop("Connection", None)
    headers.pop("Content-Length", None)
    chunked = headers.pop("Transfer-Encoding", "") == "chunked"
    return HttpAnswer(status, headers, b"".join(_chunks(content)) if chunked else content.read())


def _chunks(content: io.BytesIO) -> Iterator[bytes]:
    """Yield the parts of a stream, whose answer comes here when it is whole."""
    while size := int(content.readline() or b"0", 16):
        yield content.read(size)
        content.readline()
