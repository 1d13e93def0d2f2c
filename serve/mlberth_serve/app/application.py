"""The WSGI application of one worker."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from mlberth.errors import ContractError, Fault
from mlberth_serve.algorithms.model_file import find_file
from mlberth_serve.app.body import ENVIRON_BODY, read_body
from mlberth_serve.app.compat_environment import publish
from mlberth_serve.app.error_cause import DISCLOSURE, describe_cause
from mlberth_serve.app.http_response import (
    NO_BODY,
    REQUEST_ID,
    STATUS_LINES,
    HTTPResponse,
    make_error_response,
)
from mlberth_serve.app.openapi import describe
from mlberth_serve.app.session_request import SessionRequest, open_session
from mlberth_serve.app.streamed_response import StreamedResponse
from mlberth_serve.errors import (
    HandlerError,
    InternalError,
    NotLoadedError,
    RequestError,
    ResponseHeaderError,
)
from mlberth_serve.handler.context import (
    ENVIRON_ADAPTER,
    ENVIRON_ADAPTER_IDENTIFIER,
    ENVIRON_CUSTOM_ATTRIBUTES,
    ENVIRON_SESSION_ID,
    Context,
    check_custom_attributes,
)
from mlberth_serve.handler.placement import current_placement
from mlberth_serve.handler.predictor import Predictor, Request, StreamedBody, Transform
from mlberth_serve.handler.response import to_body
from mlberth_serve.handler.response_headers import check_sizes
from mlberth_serve.inference.examples import find_examples
from mlberth_serve.inference.handler_errors import to_http_error
from mlberth_serve.inference.load_handler import Handler, load_handler
from mlberth_serve.inference.pipeline import Pipeline
from mlberth_serve.inference.warm_up import warm_up
from mlberth_serve.media_types import JSON, TEXT, parse_content_type, read_content_type
from mlberth_serve.profiles import PROFILES
from mlberth_serve.settings import Settings
from mlberth_serve.shared.metrics_recorder import ENVIRON_STEP_TIMES
from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID, request_id
from mlberth_serve.shared.route_list import is_prediction, route_list
from mlberth_serve.usercode.load_errors import failures_logged
from mlberth_serve.usercode.locate import find_program
from mlberth_serve.variables import Variables

if TYPE_CHECKING:
    import flask
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from mlberth_serve.app.adapters import Adapters
    from mlberth_serve.app.stateful_sessions import StatefulSessions
    from mlberth_serve.capture.capture import Capture

log = logging.getLogger(__name__)


class Application:
    """A WSGI callable: POST /invocations goes straight to the transformer, all else to Flask."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        *,
        capture: Capture | None = None,
        sessions: StatefulSessions | None = None,
    ) -> None:
        self.capture = capture
        """What keeps requests and answers; each worker starts it."""
        self.adapters: Adapters | None = None
        """The adapters of a handler that loads some; each worker starts them."""
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._limit = settings.max_payload_bytes
        self._fast_limit = sys.maxsize if self._limit is None else self._limit
        self._handler: Handler | None = None
        self._transformer: Predictor | None = None
        self._placement = current_placement(str(settings.layout.model), settings.gpus)
        self.load_seconds = 0.0
        """How long the latest load took."""

    @property
    def loaded(self) -> bool:
        """Whether requests can be answered."""
        return self._transformer is not None

    def load(self) -> None:
        """Load the user's code and the model, afresh on every call.

        It runs in gunicorn's arbiter, and again in a worker that needs a model of its own. When it
        fails, with ModelLoadError or ContractError, what was loaded before stays.
        """
        if self._settings.debug_errors:
            log.warning(DISCLOSURE, Variables.debug_errors.name)
        start = self._clock()
        with failures_logged():
            self._handler, self._transformer = self._load()
        if self._handler.load_adapter_fn:
            from mlberth_serve.app.adapters import Adapters

            self.adapters = Adapters(self._handler, self._settings.layout.base)
        self.load_seconds = self._clock() - start

    def warm_up(self) -> None:
        """Make ready to predict in this process, after the load and before the first request.

        It runs in every worker. Raises ModelLoadError.
        """
        self._placement = current_placement(self._placement.model_dir, self._settings.gpus)
        assert self._handler is not None
        assert self._transformer is not None
        self._transformer.move_to(self._placement.device)
        with failures_logged():
            warm_up(self._handler, self._transformer, self._settings.layout.model, self._make_context)

    def documents(self) -> dict[str, bytes]:
        """Return by path what no request changes, once the model is loaded: nginx answers it.

        Execution parameters that are more than a body of JSON are left out; a worker answers them.
        """
        documents = {"/openapi.json": orjson.dumps(self._describe())}
        with contextlib.suppress(RequestError):  # what the handler raises is told to who asks
            body, status, headers = self._execution_parameters()
            if status == 200 and headers == [("Content-Type", JSON)]:
                documents["/execution-parameters"] = body
        return documents

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if is_prediction(environ):
            response = self.respond(environ)
            if isinstance(response, StreamedResponse):
                return response.answer(start_response)
            start_response(response.status_line, response.headers)
            return [response.body]
        environ[ENVIRON_REQUEST_ID] = request_id(environ)
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"  # of `GET http://host`: RFC 9110, section 4.2.3
        return self._routes(environ, start_response)

    def respond(self, environ: WSGIEnvironment) -> HTTPResponse | StreamedResponse:
        """Answer one prediction."""
        name = environ[ENVIRON_REQUEST_ID] = environ.get(ENVIRON_REQUEST_ID) or request_id(environ)
        try:
            transform, request = self._parse_request(environ, name)
            body = self.capture.take(request.body) if self.capture else None  # before a handler changes it
            answer = transform(*request)
            response = self._to_response(answer, request.context)
            if self.capture and body is not None:
                self.capture.put(body, request.media_type.sent, answer, request.context)
            return response
        except BaseException as error:  # noqa: BLE001 - every one is an answer
            return self._to_error_response(error, name)

    def open_session(self, environ: WSGIEnvironment) -> SessionRequest | HTTPResponse:
        """Return the session that a client may have, or the error that it gets."""
        name = environ[ENVIRON_REQUEST_ID] = environ.get(ENVIRON_REQUEST_ID) or request_id(environ)
        if not self._handler:
            return make_error_response(NotLoadedError(), name)
        context = self._make_context("", "", environ, name)
        return open_session(environ, self._handler, context, self._limit)

    @property
    def max_batch_size(self) -> int:
        """How many requests `respond_batch` may be given."""
        if self._sessions or self.adapters:  # what a request names is its context's, and a batch has one
            return 1
        return self._transformer.max_batch_size if self._transformer else 1

    def respond_batch(self, environs: Sequence[WSGIEnvironment]) -> list[HTTPResponse | StreamedResponse]:
        """Answer several predictions, with one call of the model if that can be."""
        assert isinstance(self._transformer, Pipeline)
        responses: dict[int, HTTPResponse | StreamedResponse] = {}
        requests: dict[int, Request] = {}
        for index, environ in enumerate(environs):
            name = environ[ENVIRON_REQUEST_ID] = environ.get(ENVIRON_REQUEST_ID) or request_id(environ)
            try:
                _, requests[index] = self._parse_request(environ, name)
            except BaseException as error:  # noqa: BLE001 - every one is an answer
                responses[index] = self._to_error_response(error, name)
        captured = (
            {index: self.capture.take(request.body) for index, request in requests.items()}
            if self.capture
            else {}
        )
        results = self._transformer.transform_batch(list(requests.values()), self._make_context("", ""))
        for (index, request), result in zip(requests.items(), results, strict=True):
            name = request.context.request_id
            if isinstance(result, RequestError):
                responses[index] = self._to_error_response(result, name)
                continue
            try:
                responses[index] = self._to_response(result, request.context)
                if self.capture and (body := captured[index]) is not None:
                    self.capture.put(body, request.media_type.sent, result, request.context)
            except BaseException as error:  # noqa: BLE001 - one that cannot be written is that request's alone
                responses[index] = self._to_error_response(error, name)
        return [responses[index] for index in range(len(environs))]

    @property
    def has_joined(self) -> bool:
        """Whether the latest batch was predicted in one call, so that its time tells what a batch takes."""
        return isinstance(self._transformer, Pipeline) and self._transformer.has_joined

    def _parse_request(self, environ: WSGIEnvironment, name: str) -> tuple[Transform, Request]:
        """Return what answers a request, and what it is to be asked; raises RequestError."""
        transformer = self._transformer
        if not transformer:
            raise NotLoadedError
        deadline = self._clock() + self._settings.timeout
        if ENVIRON_CUSTOM_ATTRIBUTES in environ:
            check_custom_attributes(environ)
        body = environ.get(ENVIRON_BODY)  # on the fast path it has been read, and is most often good as it is
        if body is None or len(body) > self._fast_limit or "HTTP_CONTENT_ENCODING" in environ:
            body = read_body(environ, self._limit)
        # Without the dash it is what some clients of sagemaker-containers send.
        media_type = read_content_type(environ.get("CONTENT_TYPE") or environ.get("HTTP_CONTENTTYPE"))
        if self._sessions and (order := self._sessions.order(environ, body)):
            context = self._make_context(media_type.name, TEXT, environ, name, deadline)
            return order, Request(body, media_type, context)
        context = self._make_context(media_type.name, "", environ, name, deadline)
        context.accept = transformer.choose_accept(environ.get("HTTP_ACCEPT"))
        transform: Transform = transformer.transform
        if self._sessions:
            transform = self._sessions.attach(environ, transform)
        elif ENVIRON_SESSION_ID in environ:
            self._refuse_session(environ, body)
        if self.adapters and (adapter := environ.get(ENVIRON_ADAPTER_IDENTIFIER)):
            environ[ENVIRON_ADAPTER] = self.adapters.find(adapter, lambda: context)
        return transform, Request(body, media_type, context)

    def _refuse_session(self, environ: Mapping[str, Any], body: bytes | memoryview) -> None:
        """Raise RequestError for a request that only a server with sessions can answer."""
        from mlberth_serve.app.stateful_sessions import refuse

        if not (self._handler and self._handler.program):  # which may keep sessions of its own
            refuse(environ, body)

    def _to_response(
        self, answer: tuple[bytes | StreamedBody, str], context: Context
    ) -> HTTPResponse | StreamedResponse:
        body, content_type = answer
        if not isinstance(body, bytes):
            name = context.request_id
            return StreamedResponse(body, context, lambda error: self._to_error_response(error, name))
        status, more, name = context.response_status, context.response_headers, context.request_id
        if more:
            check_sizes([*more, ("Content-Type", content_type)])
        if status in NO_BODY:
            return HTTPResponse(status, STATUS_LINES[status], [(REQUEST_ID, name), *more], b"")
        own = [("Content-Type", content_type), ("Content-Length", str(len(body))), (REQUEST_ID, name)]
        return HTTPResponse(status, STATUS_LINES[status], [*own, *more] if more else own, body)

    def _to_error_response(self, error: BaseException, name: str) -> HTTPResponse:
        """Return the answer to a request that failed, and log its cause."""
        _log_error(error, name)
        shown = error if isinstance(error, RequestError) else InternalError()
        cause = error.__cause__ if isinstance(error, RequestError) else error
        if not (self._settings.debug_errors and cause):
            return make_error_response(shown, name)
        program = self._handler.program if self._handler else None
        return make_error_response(shown, name, describe_cause(cause, program, self._settings.secrets))

    @cached_property
    def _routes(self) -> flask.Flask:
        from mlberth_serve.app.adapter_routes import AdapterRoutes
        from mlberth_serve.app.routes import make_routes
        from mlberth_serve.shared.try_page.page import make_page

        routes = route_list(metrics=self._settings.metrics)
        page = make_page() if self._settings.try_page else None
        app = make_routes(lambda: self.loaded, self._execution_parameters, self._describe, routes, page=page)
        adapters = AdapterRoutes(lambda: self.adapters, lambda: self.loaded, self._adapter_context)
        adapters.add_to(app)
        return app

    def _adapter_context(self, environ: Mapping[str, Any]) -> Context:
        deadline = self._clock() + self._settings.timeout
        return self._make_context("", "", environ, str(environ[ENVIRON_REQUEST_ID]), deadline)

    def _load(self) -> tuple[Handler, Predictor]:
        without_code = PROFILES[self._settings.profile].without_code
        program = find_program(self._settings)
        algorithm = None if program or without_code else find_file(self._settings.layout.model)
        publish(self._settings, program)  # before the handler's module is imported, which may ask
        if without_code and not program:
            return Handler(model=None), without_code(self._settings)
        accept = _default_accept(self._settings)
        if algorithm:
            from mlberth_serve.algorithms.predictor import AlgorithmPredictor

            return Handler(model=None), AlgorithmPredictor(algorithm, accept)
        handler = load_handler(self._settings, self._make_context("", ""))
        return handler, Pipeline(handler, accept, self._settings.batch_max_size)

    def _make_context(
        self,
        content_type: str,
        accept: str,
        environ: Mapping[str, Any] | None = None,
        name: str = "",
        deadline: float = math.inf,
    ) -> Context:
        environ = environ or {}
        step_times = environ.get(ENVIRON_STEP_TIMES)
        return Context(
            environ,
            name,
            content_type,
            accept,
            placement=self._placement,
            deadline=deadline,
            step_times=[] if step_times is None else step_times,
        )

    def _describe(self) -> Mapping[str, object]:
        if not self._transformer:
            raise NotLoadedError
        shown = self._handler if self._settings.try_page else None  # a sample may be nobody's business
        examples = find_examples(shown, self._settings.layout.model) if shown else {}
        return describe(
            self._transformer.reads,
            self._transformer.writes,
            examples,
            has_stream=bool(self._handler and self._handler.stream_fn),
            has_sessions=self._sessions is not None,
            has_adapters=self.adapters is not None,
        )

    def _execution_parameters(self) -> tuple[bytes, int, list[tuple[str, str]]]:
        """Return body, status and headers: the handler's own, or what the settings say."""
        function = self._handler.execution_parameters_fn if self._handler else None
        if not function:
            return orjson.dumps(self._settings.execution_parameters), 200, [("Content-Type", JSON)]
        context = self._make_context("", JSON)
        try:
            body, content_type = to_body(function(context), context)
            if not isinstance(body, bytes):
                raise TypeError("returned a stream; expected the whole answer")  # noqa: TRY301
        except RequestError:
            raise
        except BaseException as error:
            raise to_http_error(error, "execution_parameters_fn") from error
        headers = [*context.response_headers, ("Content-Type", content_type)]
        check_sizes(headers)
        return body, context.response_status, headers


def _log_error(error: BaseException, name: str) -> None:
    """Log what only the log may tell."""
    with contextlib.suppress(BaseException):  # an exception that cannot be printed is an answer all the same
        if isinstance(error, HandlerError):
            log.error("request %s: %s failed", name, error.function, exc_info=error.__cause__)
        elif isinstance(error, ResponseHeaderError):
            log.error("request %s: %s", name, error.message)
        elif not isinstance(error, RequestError):
            log.error("request %s failed", name, exc_info=error)


def _default_accept(settings: Settings) -> str:
    try:
        return parse_content_type(settings.default_accept).name
    except RequestError:
        found = repr(settings.default_accept)
        raise ContractError(
            Fault(Variables.default_invocations_accept.name, found, "a media type such as text/csv")
        ) from None
