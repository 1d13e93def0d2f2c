"""Middleware that counts, times and, if the access log is on, logs every request of an application."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.app.session_request import SessionRequest
from mlberth_serve.app.streamed_response import End, StreamedResponse
from mlberth_serve.shared.access_log import AccessLog
from mlberth_serve.shared.metrics_recorder import (
    ENVIRON_RECORDER,
    ENVIRON_STEP_TIMES,
    QUEUE,
    Recorder,
    StepTime,
)
from mlberth_serve.shared.request_ids import current_request
from mlberth_serve.shared.route_list import SESSIONS, is_prediction

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ENVIRON_QUEUED = "HTTP_X_REQUEST_START"
"""When nginx had read the request: `t=` and seconds since the epoch."""
_MAX_QUEUE_SECONDS = 86400.0
"""A day: the longest timeout that can be set."""


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
        return _Stream(body, lambda size: self._end(environ, status, began, (size,)))

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
        self._recorder.observe_batch(len(environs))
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
        self._recorder.begin_stream()
        response.variables.run(current_request.set, environ)
        if response.concurrent:
            current_request.set(None)

        def end(how: End, status: str, size: int, first: float | None) -> None:
            self._recorder.end_stream(how.value, None if first is None else first - began)
            self._end(environ, status, began, (size,))

        response.observer = _StreamObserver(self._clock, end)

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
        self._recorder.begin_request(count)

    def _end(self, environ: WSGIEnvironment, status: str, began: float, sizes: Iterable[int]) -> None:
        self._count(environ, status, self._clock() - began, sizes)
        current_request.set(None)  # last: the access log names the request

    def _count(self, environ: WSGIEnvironment, status: str, seconds: float, sizes: Iterable[int]) -> None:
        self._recorder.end_request(environ["PATH_INFO"], status, seconds, environ[ENVIRON_STEP_TIMES])
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


class _StreamObserver:
    """Knows when a stream's first piece was there, until it ends."""

    def __init__(
        self, clock: Callable[[], float], end: Callable[[End, str, int, float | None], None]
    ) -> None:
        self._clock = clock
        self._end = end
        self._first: float | None = None

    def begin(self) -> None:
        """Note the time; the page of counters is the worker's own thread's."""
        self._first = self._clock()

    def end(self, end: End, status_line: str, size: int) -> None:
        """Count the stream."""
        self._end(end, status_line, size, self._first)


class _Stream:
    """A body that is made while it is sent: the request ends with it, or when the server closes it."""

    def __init__(self, body: Iterable[bytes], end: Callable[[int], None]) -> None:
        self._body = body
        self._end = end
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            self._size += len(piece)
            yield piece

    def close(self) -> None:
        """Count the request, as WSGI servers call this exactly once."""
        try:
            if close := getattr(self._body, "close", None):
                close()
        finally:
            self._end(self._size)
