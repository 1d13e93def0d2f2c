"""Middleware that counts, times and, if the access log is on, logs every request of an application.

A number in the worker's page of memory is added to without a lock or a system call: a worker has one request
at a time.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.app.session_request import SessionRequest
from mlberth_serve.app.streamed_response import End, StreamedResponse
from mlberth_serve.shared.access_log import AccessLog
from mlberth_serve.shared.metrics_memory import (
    BATCH,
    BUCKETS,
    BUSY,
    CLASSES,
    REQUESTS,
    ROUTES,
    SIZES,
    STREAM_ENDS,
    STREAMS,
    STREAMS_ENDED,
)
from mlberth_serve.shared.metrics_recorder import (
    ENVIRON_RECORDER,
    ENVIRON_STEP_TIMES,
    FIRST_CHUNK,
    QUEUE,
    REQUEST,
    Recorder,
    StepTime,
)
from mlberth_serve.shared.request_ids import current_request
from mlberth_serve.shared.route_list import SESSIONS, is_prediction
from mlberth_serve.worker.streams.observation import CountedBody, StreamObserver

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ENVIRON_QUEUED = "HTTP_X_REQUEST_START"
"""When nginx had read the request: `t=` and seconds since the epoch."""
_MAX_QUEUE_SECONDS = 86400.0
"""A day: the longest timeout that can be set."""

_ROUTES = {path: REQUESTS + number * len(CLASSES) for number, path in enumerate(ROUTES)}
_OTHER = _ROUTES["other"]
_CLASSES = {name[0]: number for number, name in enumerate(CLASSES)}
_FAILED = _CLASSES["5"]


@runtime_checkable
class Dispatcher(Protocol):
    """What answers predictions without WSGI around them: `app.application.Application`, instrumented here."""

    @property
    def max_batch_size(self) -> int:
        """How many requests `respond_batch` may be given; with 1 it is never called."""

    @property
    def has_joined(self) -> bool:
        """Whether the latest batch was predicted in one call."""

    def respond(self, environ: WSGIEnvironment) -> HTTPResponse | StreamedResponse:
        """Answer one prediction."""

    def respond_batch(self, environs: Sequence[WSGIEnvironment]) -> list[HTTPResponse | StreamedResponse]:
        """Answer several predictions together."""

    def open_session(self, environ: WSGIEnvironment) -> SessionRequest | HTTPResponse:
        """Return the session that a client may have, or the error that it gets."""


class RequestCounters:
    """The part of a worker's page that counts requests and what they took."""

    def __init__(self, cells: memoryview[float]) -> None:
        """Go on with the numbers of a page."""
        self._cells = cells

    def begin_request(self, count: int = 1) -> None:
        """Say that a request, or several at once, is being worked on."""
        self._cells[BUSY] = count

    def observe_batch(self, count: int) -> None:
        """Count the requests that are predicted in one call."""
        cells = self._cells
        cells[BATCH] += count
        cells[BATCH + 1 + bisect_left(SIZES, count)] += 1

    def end_request(
        self, path: str, status: str, seconds: float, step_times: Iterable[StepTime] = ()
    ) -> None:
        """Count a request and its steps by path and status line; only predictions have a latency."""
        cells = self._cells
        cells[_ROUTES.get(path, _OTHER) + _CLASSES.get(status[:1], _FAILED)] += 1
        self.observe([(REQUEST, seconds, 1), *step_times] if path == "/invocations" else step_times)
        cells[BUSY] = 0.0

    def begin_stream(self) -> None:
        """Say that a request that was begun goes on as a stream, beside which there may be others."""
        self._cells[BUSY] = 0.0
        self._cells[STREAMS] += 1

    def end_stream(self, end: str, first_seconds: float | None) -> None:
        """Count a stream that has ended, by how; `end_request` counts its request."""
        self._cells[STREAMS] -= 1
        self._cells[STREAMS_ENDED + STREAM_ENDS.index(end)] += 1
        if first_seconds is not None:
            self.observe([(FIRST_CHUNK, first_seconds, 1)])

    def observe(self, step_times: Iterable[StepTime]) -> None:
        """Add what one request, or each of several, took: REQUEST, QUEUE, DECODE, PREDICT, ENCODE, …."""
        cells = self._cells
        for duration, seconds, requests in step_times:
            cells[duration] += seconds * requests
            cells[duration + 1 + bisect_left(BUCKETS, seconds)] += requests


class Instrumented:
    """Calls an application of any make; the recorder stands in the environment of each request."""

    def __init__(
        self,
        application: Any,
        recorder: Recorder,
        *,
        behind_nginx: bool,
        access_log: AccessLog | None = None,
        clock: Callable[[], float] = time.perf_counter,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._application = application
        self._predictions: Dispatcher = application  # if it is none, nobody calls `respond`
        self._recorder = recorder
        self._counters = RequestCounters(recorder.cells)
        self._behind_nginx = behind_nginx
        self._access_log = access_log
        self._clock = clock
        self._wall_clock = wall_clock

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        began = self._begin(environ)
        status = "500"

        def start(
            line: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            nonlocal status
            status = line
            return start_response(line, headers, exc_info)

        try:
            body = self._application(environ, start)
        except BaseException:
            self._end(environ, "500", began, ())
            raise
        if isinstance(body, list):  # all of it is there, so the request ends here
            self._end(environ, status, began, map(len, body))
            return body
        # `status` is read at the end: an application may not call `start` before its body is asked for.
        return CountedBody(body, lambda size: self._end(environ, status, began, (size,)))

    @property
    def max_batch_size(self) -> int:
        """How many requests the application answers together."""
        return self._predictions.max_batch_size

    @property
    def has_joined(self) -> bool:
        """Whether the application predicted the latest batch in one call."""
        return self._predictions.has_joined

    def respond(self, environ: WSGIEnvironment) -> HTTPResponse | StreamedResponse:
        """Answer one prediction, by the shorter way that the application has for it."""
        began = self._begin(environ)
        try:
            response = self._predictions.respond(environ)
        except BaseException:
            self._end(environ, "500", began, ())
            raise
        if isinstance(response, StreamedResponse):
            self._follow(environ, response, began)
        else:
            self._end(environ, response.status_line, began, (len(response.body),))
        return response

    def respond_batch(self, environs: Sequence[WSGIEnvironment]) -> list[HTTPResponse | StreamedResponse]:
        """Answer several predictions together."""
        began = self._clock()
        # Without `current_request`: what is logged in a shared call belongs to none of them.
        for environ in environs:
            self._enter(environ, len(environs))
        self._counters.observe_batch(len(environs))
        try:
            responses = self._predictions.respond_batch(environs)
        except BaseException:
            for environ in environs:
                self._count(environ, "500", self._clock() - began, ())
            raise
        seconds = self._clock() - began
        for environ, response in zip(environs, responses, strict=True):
            if isinstance(response, StreamedResponse):
                self._follow(environ, response, began)
            else:
                self._count(environ, response.status_line, seconds, (len(response.body),))
        return responses

    def answer(self, environ: WSGIEnvironment) -> HTTPResponse | StreamedResponse | SessionRequest | None:
        """Answer a prediction, or open a session; None for any other request, which WSGI answers."""
        if is_prediction(environ):
            return self.respond(environ)
        return self.open_session(environ) if environ["PATH_INFO"] == SESSIONS else None

    def open_session(self, environ: WSGIEnvironment) -> SessionRequest | HTTPResponse:
        """Return the session that a client may have, or the error that it gets."""
        began = self._begin(environ)
        response = self._predictions.open_session(environ)
        if isinstance(response, SessionRequest):
            self._follow(environ, response, began)
        else:
            self._end(environ, response.status_line, began, (len(response.body),))
        return response

    def _follow(
        self, environ: WSGIEnvironment, response: StreamedResponse | SessionRequest, began: float
    ) -> None:
        """Let a request end with its stream. If that is concurrent, another one may begin meanwhile."""
        self._counters.begin_stream()
        response.variables.run(current_request.set, environ)
        if response.concurrent:
            current_request.set(None)

        def end(how: End, status: str, size: int, first: float | None) -> None:
            self._counters.end_stream(how.value, None if first is None else first - began)
            self._end(environ, status, began, (size,))

        response.observer = StreamObserver(self._clock, end)

    def _begin(self, environ: WSGIEnvironment) -> float:
        began = self._clock()
        current_request.set(environ)
        self._enter(environ, 1)
        return began

    def _enter(self, environ: WSGIEnvironment, count: int) -> None:
        environ[ENVIRON_RECORDER] = self._recorder  # where `context` finds both
        step_times: list[StepTime] = []
        environ[ENVIRON_STEP_TIMES] = step_times
        queued = self._queue_seconds(environ)
        if queued is not None:
            step_times.append((QUEUE, queued, 1))
        self._counters.begin_request(count)

    def _end(self, environ: WSGIEnvironment, status: str, began: float, sizes: Iterable[int]) -> None:
        self._count(environ, status, self._clock() - began, sizes)
        current_request.set(None)  # last: the access log names the request

    def _count(self, environ: WSGIEnvironment, status: str, seconds: float, sizes: Iterable[int]) -> None:
        self._counters.end_request(environ["PATH_INFO"], status, seconds, environ[ENVIRON_STEP_TIMES])
        if self._access_log:
            self._access_log.write(environ, status, seconds, sum(sizes))

    def _queue_seconds(self, environ: WSGIEnvironment) -> float | None:
        """Return how long a prediction has waited since nginx had read it; None if that is not known."""
        if not self._behind_nginx or environ["PATH_INFO"] != "/invocations":
            return None
        try:
            began = float(environ[ENVIRON_QUEUED][2:])
        except (KeyError, ValueError):  # the user's own nginx.conf may not send it
            return None
        seconds = self._wall_clock() - began
        # Or it passes on a client's, and that may be any number, NaN included; clocks may be set back.
        return max(0.0, seconds) if seconds < _MAX_QUEUE_SECONDS else None
