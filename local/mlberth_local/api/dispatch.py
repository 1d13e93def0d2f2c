"""A request's way: find the operation, check the signature, read, call in a thread, write the answer.

The modules with the models are imported by the first request, so that the daemon answers at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from mlberth_local.api.http_answer import HttpAnswer
from mlberth_local.bodies import Place, ReceivedBody
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest, whole_number
from mlberth_local.platform import Platform

if TYPE_CHECKING:
    from mlberth_local.api.forwarding import Forwarder
    from mlberth_local.api.routing import Route

T = TypeVar("T")
_LOG = logging.getLogger("mlberth.api")
THREADS = 16
"""How many operations run at once; each takes milliseconds, or waits for the disk."""


class Body(Protocol):
    """The body of a request that is still coming in."""

    async def read(self) -> bytes:
        """Return all of it, as it came: that is what is signed."""

    def pieces(self) -> AsyncIterator[bytes]:
        """Return it in pieces, as they come."""


@dataclass(frozen=True)
class _Received:
    """A request and what is known of it before its operation is."""

    signed: HttpRequest
    """As it came."""
    meant: HttpRequest
    """With the headers that a presigned address has in its query."""
    form: dict[str, str]
    form_body: bytes | None
    """What came in already, as it came; None for all but a form."""


class Dispatcher:
    """Answers requests for one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._forwarder: Forwarder | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="operation")

    async def answer(self, request: HttpRequest, body: Body, request_id: str) -> HttpAnswer:
        """Return the answer to a request, or an error in the form of its protocol."""
        from mlberth_local.api import answer_writer
        from mlberth_local.api.routing import find_route, protocol_of

        route: Route | None = None
        try:
            received = await _receive(request, body)
            route = await self._in_thread(find_route, received.meant, received.form)
            if route.service == "s3" and self._platform.settings.s3_endpoint:
                return await self._forward(received, body)
            result = await self._carry_out(route, received, body)
            return answer_writer.answer(route, result, request_id)
        except ServiceError as error:
            failure = error
        except OSError as error:
            failure = _full(error) or _ours(request, request_id)
        except Exception:  # noqa: BLE001 - a fault of ours is an answer, and the next request is none of its business
            failure = _ours(request, request_id)
        protocol = route.protocol if route else protocol_of(request)
        return answer_writer.error_answer(route, protocol, failure, request_id, resource=request.path)

    def warm_up(self) -> None:
        """Load the models of the services that every client asks."""
        from mlberth_local.api import registry
        from mlberth_local.api.forms.models import service_model
        from mlberth_local.api.routing import rest_route

        for service in registry.OPERATIONS:
            service_model(service)
        rest_route("s3", HttpRequest("GET", "/", "", {}), "/")

    async def close(self) -> None:
        """Close connections to others."""
        if self._forwarder:
            await self._forwarder.close()

    async def _forward(self, received: _Received, body: Body) -> HttpAnswer:
        """Return what the S3 behind the platform answers; the platform itself checks who asks."""
        from mlberth_local.identity import signatures

        signatures.check(received.signed, None, self._platform.settings.keys, self._platform.clock())
        if self._forwarder is None:
            from mlberth_local.api.forwarding import Forwarder

            self._forwarder = Forwarder(self._platform)
        meant = received.meant
        return await self._forwarder.forward(meant, meant.path_style, body.pieces())

    async def _carry_out(self, route: Route, received: _Received, body: Body) -> dict[str, Any]:
        from mlberth_local.api import calls, registry
        from mlberth_local.api.compression import content_of
        from mlberth_local.api.request_reader import read_request
        from mlberth_local.identity import signatures

        keys, now = self._platform.settings.keys, self._platform.clock()
        streaming = route.model.has_streaming_input and route.service == "s3"
        form_body = received.form_body
        content = None if streaming else form_body if form_body is not None else await body.read()
        caller = signatures.check(received.signed, content, keys, now)
        platform = replace(self._platform, caller=caller) if caller else self._platform
        operation = registry.find(route.service, route.operation)

        def perform(content: bytes | ReceivedBody) -> dict[str, Any]:
            parsed = read_request(route, received.meant, received.form, content)
            return calls.call(platform, route, operation, parsed)

        if content is None:
            incoming = await self._spooled(route, received.meant, body, checked=caller is not None)
            try:
                return await self._in_thread(perform, incoming)
            finally:
                if incoming.place.start is None:
                    incoming.place.path.unlink(missing_ok=True)
        return await self._in_thread(perform, content_of(received.signed.headers, content))

    async def _spooled(
        self, route: Route, request: HttpRequest, body: Body, *, checked: bool
    ) -> ReceivedBody:
        from mlberth_local.api.spool import spool
        from mlberth_local.identity import signatures
        from mlberth_local.s3 import parts
        from mlberth_local.s3.objects import upload_file

        place: Place | None = None
        if route.operation == "UploadPart":
            place = await self._in_thread(parts.place, self._platform, request.query, _length(request))
        place = place or Place(upload_file(self._platform))
        hashed = signatures.body_hash(request) if checked else None
        return await spool(place, body.pieces(), request.headers, hashed)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *arguments))


async def _receive(request: HttpRequest, body: Body) -> _Received:
    from mlberth_local.api import presigned
    from mlberth_local.api.compression import content_of

    form_body = await body.read() if request.form else None
    content = content_of(request.headers, form_body) if form_body else b""
    form = dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
    return _Received(request, presigned.with_headers(request), form, form_body)


def _full(error: OSError) -> ServiceError | None:
    """Return the error for a disk that is full; clients do not repeat a request after it."""
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        return None
    text = "There is no space left where the platform's home is."
    return ServiceError("InsufficientStorage", text, HTTPStatus.INSUFFICIENT_STORAGE)


def _ours(request: HttpRequest, request_id: str) -> ServiceError:
    """Log the exception that is handled, and return an error without its words."""
    _LOG.exception("%s %s failed (request %s)", request.method, request.path, request_id)
    text = f"The platform failed; its log has the cause, with the request {request_id}."
    return ServiceError("InternalFailure", text, HTTPStatus.INTERNAL_SERVER_ERROR)


def _length(request: HttpRequest) -> int | None:
    """Return how long the content of a body is; None if the client does not say."""
    text = request.headers.get("x-amz-decoded-content-length") or request.headers.get("Content-Length", "")
    return whole_number(text)
