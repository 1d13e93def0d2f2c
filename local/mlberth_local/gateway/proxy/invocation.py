"""InvokeEndpoint: which variant, instance and container a request goes to, and what the client gets.

Source: `InvokeEndpoint` of the platform's API.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from mlberth_local import model_errors
from mlberth_local.errors import ServiceError
from mlberth_local.gateway import event_stream
from mlberth_local.gateway.models.model import LoadError, Use
from mlberth_local.gateway.models.targets import checked_target, name_of
from mlberth_local.gateway.proxy.answer import Answer, ModelError, StreamedAnswer, error
from mlberth_local.gateway.proxy.request import (
    ACCEPT,
    CONTENT_TYPE,
    INVOKE,
    STREAM,
    STREAM_ACCEPT,
    TARGET_CONTAINER,
    TARGET_MODEL,
    TARGET_VARIANT,
    Request,
    check,
    passed,
)
from mlberth_local.gateway.proxy.routes import LiveEndpoint, LiveFleet, LiveInstance, LiveVariant, Routes
from mlberth_local.gateway.proxy.server_pool import NoReplyError, NotTakenError, Reply, ServerPool
from mlberth_local.gateway.proxy.sleepers import Sleepers
from mlberth_local.gateway.proxy.streamed_reply import StreamConnection

_LOG = logging.getLogger("mlberth.gateway")
LARGEST_HOP = 5 * 1024 * 1024
"""Of a request from one container of a pipeline to the next, in bytes. Source: the platform's quotas."""
_INVOCATIONS = b"/invocations"
_RETURNED = (
    (CONTENT_TYPE, b"Content-Type"),
    (b"content-encoding", b"Content-Encoding"),
    (b"x-amzn-sagemaker-custom-attributes", b"X-Amzn-SageMaker-Custom-Attributes"),
    (b"x-amzn-sagemaker-new-session-id", b"X-Amzn-SageMaker-New-Session-Id"),
    (b"x-amzn-sagemaker-closed-session-id", b"X-Amzn-SageMaker-Closed-Session-Id"),
)
"""The headers of a container's response that the client gets."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one of several containers has made of a request."""

    container: str
    seconds: float
    status: int
    """0 if it did not answer."""


@dataclass(slots=True)
class Invocation:
    """A request on its way; who looks at finished ones finds in it what has become of them."""

    request: Request
    is_copy: bool = False
    """Whether it goes to a shadow variant, after its client has got another one's answer."""
    endpoint: LiveEndpoint | None = None
    variant: LiveVariant | None = None
    fleet: LiveFleet | None = None
    instance: LiveInstance | None = None
    reply: Reply | None = None
    """What the last container answered, if that was a success."""
    answer: Answer | None = None
    failure: ServiceError | None = None
    use: Use | None = None
    """The model of a multi-model endpoint that it goes to."""
    setup_seconds: float | None = None
    """How long a serverless variant took to have an instance; None if it had one."""
    model_seconds: float | None = None
    """How long the containers took; None if none was asked."""
    steps: list[Step] = field(default_factory=list)
    """The containers that were asked, if the variant has several."""
    seconds: float = 0.0
    """From the first byte of the request to the answer."""


class Invoker:
    """Carries requests out. `finished` are told each one that has its answer; they must not wait."""

    def __init__(
        self,
        routes: Routes,
        finished: Sequence[Callable[[Invocation], None]] = (),
        *,
        model_seconds: float,
        sleepers: Sleepers | None = None,
    ) -> None:
        self._routes = routes
        self._finished = finished
        self._model_seconds = model_seconds
        self._sleepers = sleepers

    async def invoke(self, request: Request) -> Answer | StreamedAnswer:
        """Return the answer to a request, which may be an error."""
        invocation = Invocation(request)
        return await self._finish(invocation, self._carry_out(invocation))

    async def copy(self, request: Request, endpoint: LiveEndpoint, shadow: LiveVariant) -> Invocation:
        """Send a request that was answered to a shadow variant, too; return what has become of it."""
        invocation = Invocation(request, True, endpoint, shadow)
        await self._finish(invocation, self._ask(invocation, endpoint, shadow))
        return invocation

    async def _finish(
        self, invocation: Invocation, way: Coroutine[Any, Any, Answer | StreamedAnswer]
    ) -> Answer | StreamedAnswer:
        request, began = invocation.request, invocation.request.received
        if invocation.is_copy:
            began = monotonic()
        try:
            answer = await way
        except ServiceError as failure:
            invocation.failure = failure
            answer = error(failure)
        except Exception:  # noqa: BLE001 - a fault of ours is an answer, and the next request is none of its business
            _LOG.exception("the request %s failed", request.request_id)
            text = f"The gateway failed; its log has the cause, with the request {request.request_id}."
            invocation.failure = ServiceError("InternalFailure", text, HTTPStatus.INTERNAL_SERVER_ERROR)
            answer = error(invocation.failure)
        if isinstance(answer, StreamedAnswer):
            return answer  # its end is still to come
        invocation.answer = answer
        invocation.seconds = monotonic() - began
        self._tell(invocation)
        return answer

    def _tell(self, invocation: Invocation) -> None:
        for finished in self._finished:
            finished(invocation)

    async def _carry_out(self, invocation: Invocation) -> Answer | StreamedAnswer:
        request, chance = invocation.request, self._routes.chance
        check(request.headers)
        endpoint = invocation.endpoint = self._routes.endpoint(request.endpoint)
        if endpoint.endpoint.asynchronous:
            text = f"Endpoint {request.endpoint} takes asynchronous requests alone: call InvokeEndpointAsync."
            raise ServiceError("ValidationError", text)
        variant = invocation.variant = endpoint.variant(request.text(TARGET_VARIANT), chance)
        return await self._ask(invocation, endpoint, variant)

    async def _ask(
        self, invocation: Invocation, endpoint: LiveEndpoint, variant: LiveVariant
    ) -> Answer | StreamedAnswer:
        """Return the answer of a variant."""
        request, chance = invocation.request, self._routes.chance
        containers = _containers(endpoint, variant, request)
        use = invocation.use = _use(variant, request)
        most = variant.variant.max_concurrency
        if most is not None and variant.outstanding >= most:
            text = f"Variant {variant.variant.name} has {most} requests in work, its MaxConcurrency."
            raise ServiceError("ThrottlingException", text, HTTPStatus.TOO_MANY_REQUESTS)
        if most is not None and self._sleepers is not None:
            variant = invocation.variant = await self._awake(invocation, variant, self._sleepers)
        for fleet, instance in variant.candidates(chance, use.name if use else None):
            invocation.fleet, invocation.instance = fleet, instance
            if use:
                use.key = fleet.key
            instance.outstanding += 1
            parts = None
            try:
                reply = await self._through(invocation, variant, instance, containers)
                parts = reply.parts
            except NotTakenError as reason:
                _LOG.warning("%s: instance %s: %s", request.endpoint, instance.instance.name, reason)
                continue
            finally:
                if parts is None:
                    instance.done()
            instance.health.has_answered = True
            if parts is not None:
                head = _stream_head(reply, variant)
                return StreamedAnswer(head, self._messages(invocation, instance, parts))
            invocation.reply = reply
            return _relayed(reply, variant)
        text = f"Variant {variant.variant.name} of endpoint {request.endpoint} has no instance that answers."
        raise ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)

    async def _awake(self, invocation: Invocation, variant: LiveVariant, sleepers: Sleepers) -> LiveVariant:
        """Return a serverless variant as soon as it has an instance."""
        endpoint, name = invocation.request.endpoint, variant.variant.name
        sleepers.use(endpoint, name)
        if variant.instances:
            return variant
        began = monotonic()
        variant.waiting += 1
        try:
            found = await sleepers.wake(endpoint, name)
        finally:
            variant.waiting -= 1
        invocation.setup_seconds = monotonic() - began
        return found or variant

    async def _messages(
        self, invocation: Invocation, instance: LiveInstance, parts: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages of a streamed response; the instance has the request until the last one."""
        began = monotonic()
        try:
            async for part in parts:
                yield event_stream.payload_part(part)
        except NoReplyError as reason:
            code = "ModelInvocationTimeExceeded" if reason.timed_out else "StreamBroken"
            text = f"The response of the container was cut off: {reason}."
            invocation.failure = ServiceError("ModelStreamError", text, HTTPStatus.FAILED_DEPENDENCY)
            yield event_stream.model_stream_error(code, text)
        finally:
            await parts.aclose()
            instance.done()
            invocation.model_seconds = (invocation.model_seconds or 0.0) + monotonic() - began
            invocation.seconds = monotonic() - invocation.request.received
            self._tell(invocation)

    async def _through(
        self, invocation: Invocation, variant: LiveVariant, instance: LiveInstance, containers: range
    ) -> Reply:
        """Return the response of the last container. Raises `NotTakenError` if the first got nothing."""
        request, use = invocation.request, invocation.use
        headers, body = request.headers, request.body
        invocation.model_seconds = 0.0
        reply: Reply | None = None
        for index in containers:
            if reply is not None:
                self._check_hop(invocation, variant, index, reply)
                headers, body = {**request.headers}, reply.body
                headers.pop(CONTENT_TYPE, None)
                if CONTENT_TYPE in reply.headers:
                    headers[CONTENT_TYPE] = reply.headers[CONTENT_TYPE]
            # A client's Accept is for what it gets, which the last container makes.
            is_last = index == containers[-1]
            streams = is_last and request.operation == STREAM
            accept = request.headers.get(STREAM_ACCEPT if streams else ACCEPT) if is_last else None
            pool = instance.pools[index]
            waited = use.waited if use else 0.0
            began, status = monotonic(), 0
            try:
                left = self._model_seconds - invocation.model_seconds
                if use and (models := instance.models_of(index)):
                    head_of = partial(_head, pool.port, headers, accept, len(body))
                    reply = await models.ask(use, partial(_send, pool, head_of, body, left))
                else:
                    head = _head(pool.port, headers, accept, len(body), _INVOCATIONS)
                    reply = await (
                        self._stream(pool, head, body, left) if streams else pool.exchange(head, body, left)
                    )
                status = reply.status
            except (LoadError, NoReplyError) as reason:
                raise self._no_reply(invocation, variant, index, reason) from reason
            except NotTakenError as reason:
                if reply is None:
                    raise
                raise self._no_reply(invocation, variant, index, reason) from reason
            finally:
                seconds = monotonic() - began - (use.waited - waited if use else 0.0)
                invocation.model_seconds += seconds
                names = variant.variant.containers
                if len(names) > 1:
                    invocation.steps.append(Step(names[index], seconds, status))
            if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
                raise self._model_error(invocation, variant, index, reply.status, reply.body)
        assert reply is not None
        return reply

    async def _stream(self, pool: ServerPool, head: bytes, body: bytes, left: float) -> Reply:
        """Send a request on a connection of its own; returns its response when it begins."""
        loop = asyncio.get_running_loop()
        connection = await pool.connect(lambda: StreamConnection(pool, loop, self._model_seconds))
        return await connection.exchange(head, body, monotonic() + left)

    def _check_hop(self, invocation: Invocation, variant: LiveVariant, index: int, reply: Reply) -> None:
        if len(reply.body) > LARGEST_HOP:
            first, second = variant.variant.containers[index - 1 : index + 1]
            text = (
                f"Received response from {first} with status code {reply.status}. However, the request "
                f"payload from {first} to {second} is {len(reply.body)} bytes, which has exceeded "
                "the maximum limit of 5 MB."
            )
            raise self._model_error(invocation, variant, index - 1, reply.status, text.encode())

    def _no_reply(
        self, invocation: Invocation, variant: LiveVariant, index: int, reason: Exception
    ) -> ModelError:
        name = variant.variant.containers[index]
        if isinstance(reason, LoadError):
            return self._model_error(invocation, variant, index, reason.status, reason.body)
        if isinstance(reason, NoReplyError) and reason.timed_out:
            text = model_errors.timed_out(name)
        else:
            text = model_errors.no_answer(name, reason)
        return self._model_error(invocation, variant, index, 0, text.encode())

    @staticmethod
    def _model_error(
        invocation: Invocation, variant: LiveVariant, index: int, status: int, body: bytes
    ) -> ModelError:
        assert invocation.endpoint is not None
        arn = invocation.endpoint.endpoint.log_group_arn
        return ModelError(variant.variant.containers[index], status, body, log_group_arn=arn)


def _containers(endpoint: LiveEndpoint, variant: LiveVariant, request: Request) -> range:
    """Return which containers a request passes. Raises `ServiceError` for a name that is not there."""
    names = variant.variant.containers
    wanted = request.text(TARGET_CONTAINER)
    if not endpoint.endpoint.direct:
        if wanted is not None:
            text = f"Found TargetContainerHostname; endpoint {request.endpoint} is not in the mode Direct."
            raise ServiceError("ValidationError", text)
        return range(len(names))
    if wanted not in names:
        found = "no TargetContainerHostname" if wanted is None else f"TargetContainerHostname {wanted}"
        text = f"Found {found}; the containers of endpoint {request.endpoint} are {', '.join(names)}."
        raise ServiceError("ValidationError", text)
    place = names.index(wanted)
    return range(place, place + 1)


def _use(variant: LiveVariant, request: Request) -> Use | None:
    """Return the model that a request names. Raises `ServiceError` if it has to, or may not."""
    # The API's streamed form has no TargetModel.
    given = request.text(TARGET_MODEL) if request.operation == INVOKE else None
    multi_model = variant.variant.multi_model
    target = checked_target(request.endpoint, request.request_id, given, multi_model=multi_model)
    return None if target is None else Use(target, name_of(target), variant.key)


async def _send(
    pool: ServerPool, head: Callable[[bytes], bytes], body: bytes, seconds: float, path: bytes
) -> Reply:
    return await pool.exchange(head(path), body, seconds)


def _head(port: int, headers: dict[bytes, bytes], accept: bytes | None, length: int, path: bytes) -> bytes:
    lines = b"Accept: %b\r\n" % accept if accept is not None else b""
    return b"POST %b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\n%b%b\r\n" % (
        path,
        port,
        length,
        lines,
        passed(headers),
    )


def _stream_head(reply: Reply, variant: LiveVariant) -> bytes:
    """Return the headers of a streamed answer: the container's media type is that of the events' content."""
    headers = {**reply.headers, CONTENT_TYPE: event_stream.CONTENT_TYPE}
    found = _relayed(Reply(reply.status, headers, b""), variant).head
    inner = reply.headers.get(CONTENT_TYPE)
    return found + (b"X-Amzn-SageMaker-Content-Type: %b\r\n" % inner if inner else b"")


def _relayed(reply: Reply, variant: LiveVariant) -> Answer:
    headers = reply.headers
    lines = [b"%b: %b\r\n" % (name, headers[key]) for key, name in _RETURNED if key in headers]
    lines.append(b"x-Amzn-Invoked-Production-Variant: %b\r\n" % variant.variant.name.encode())
    return Answer(HTTPStatus.OK, b"".join(lines), reply.body)
