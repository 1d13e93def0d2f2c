"""A response whose body is made while it is sent."""

from __future__ import annotations

import contextvars
import enum
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from mlberth_serve.app.http_response import HTTPResponse, make_stream_head
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.predictor import StreamedBody
from mlberth_serve.handler.response_headers import check_sizes

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

log = logging.getLogger(__name__)


class End(enum.Enum):
    """How a stream has ended."""

    WHOLE = "whole"
    FAILED = "failed"
    """Its generator raised, or yielded what cannot be sent."""
    GONE = "gone"
    """Its client has closed the connection."""
    STALLED = "stalled"
    """Nothing moved for as long as the timeout: the generator made nothing, or the client took nothing."""


class Observer(Protocol):
    """What counts and times streams."""

    def begin(self) -> None:
        """Note that the first piece is there; any thread calls it."""

    def end(self, end: End, status_line: str, size: int) -> None:
        """Note how a stream has ended, and after how many bytes of its body."""


class _NoObserver:
    def begin(self) -> None:
        pass

    def end(self, end: End, status_line: str, size: int) -> None:
        pass


NO_OBSERVER: Observer = _NoObserver()


class StreamedResponse:
    """The response to one prediction. Its head is made when the first piece is there.

    Until then an error is answered as any other; later only a cut connection can tell of it.
    """

    def __init__(
        self, body: StreamedBody, context: Context, to_error: Callable[[BaseException], HTTPResponse]
    ) -> None:
        self.body = body
        self._context = context
        self._to_error = to_error
        self.variables = contextvars.copy_context()
        """What a thread is to run in that reads the body."""
        self.observer = NO_OBSERVER

    @property
    def concurrent(self) -> bool:
        """Whether the worker may answer other requests meanwhile."""
        return self.body.concurrent

    def make_head(self) -> HTTPResponse:
        """Return the head, once the first piece has been read; raises RequestError."""
        context = self._context
        headers = context.response_headers
        check_sizes([*headers, ("Content-Type", self.body.content_type)])
        self.observer.begin()
        return make_stream_head(self.body.content_type, context.request_id, context.response_status, headers)

    def make_error(self, error: BaseException) -> HTTPResponse:
        """Return the response that takes the place of a stream that has not begun, and log its cause."""
        return self._to_error(error)

    def log_break(self, error: BaseException, size: int) -> None:
        """Log why a stream ends that has begun."""
        cause = error.__cause__ or error
        name = self._context.request_id
        log.error("request %s: its stream broke off after %d bytes", name, size, exc_info=cause)

    def answer(self, start_response: StartResponse) -> Iterator[bytes]:
        """Answer by WSGI, under a server that is not ours."""
        try:
            try:
                piece = self.body.read()
                head = self.make_head()
            except BaseException as error:  # noqa: BLE001 - every one is an answer
                response = self.make_error(error)
                start_response(response.status_line, response.headers)
                yield response.body
                return
            start_response(head.status_line, head.headers)
            while piece is not None and not head.omits_body:
                yield piece
                piece = self.body.read()
        finally:
            self.body.close()
