"""Every route but POST /invocations, and every error page, by Flask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import flask
import orjson
from werkzeug.exceptions import HTTPException

from mlberth_serve.app.http_response import JSON, REQUEST_ID, error_body
from mlberth_serve.errors import HandlerError, InternalError, NotLoadedError, RequestError
from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID
from mlberth_serve.shared.route_list import ALIASES, PREDICTIONS, SESSIONS
from mlberth_serve.shared.try_page.page import Page, wants_page

log = logging.getLogger(__name__)

_ERRORS = {
    404: ("not_found", "There is nothing at this path. Predictions are at POST /invocations."),
    405: (
        "method_not_allowed",
        "Allow names the methods that this path takes. Predictions are at POST /invocations.",
    ),
}


def make_routes(
    is_loaded: Callable[[], bool],
    execution_parameters: Callable[[], tuple[bytes, int, list[tuple[str, str]]]],
    describe: Callable[[], Mapping[str, object]],
    routes: bytes,
    *,
    page: Page | None = None,
) -> flask.Flask:
    """Return the Flask application; every answer has the request's id.

    `execution_parameters` returns body, status and headers, `describe` the OpenAPI document; `routes` is the
    list of routes, and `page` what a browser gets in its place.
    """
    app = flask.Flask("mlberth_serve", static_folder=None)
    app.url_map.merge_slashes = False  # two slashes are no path of ours, rather than a redirect

    # Behind nginx, nginx answers /ping from the supervisor's files and this one is not asked.
    def ping() -> flask.Response:
        if not is_loaded():
            raise NotLoadedError
        response = flask.Response()
        del response.headers["Content-Type"]  # there is nothing for it to describe
        return response

    def show_execution_parameters() -> flask.Response:
        return flask.Response(*execution_parameters())

    def show_openapi() -> flask.Response:
        return flask.Response(orjson.dumps(describe()), content_type=JSON)

    def show_routes() -> flask.Response:
        if page and wants_page(flask.request.headers.get("Accept")):
            return flask.Response(page.body, headers=dict(page.headers))
        return flask.Response(routes, content_type=JSON)

    def invocations() -> flask.Response:
        raise AssertionError  # the application answers POST itself; the rule makes the other methods 405

    for path, method, view in (
        ("/ping", "GET", ping),
        ("/execution-parameters", "GET", show_execution_parameters),
        ("/openapi.json", "GET", show_openapi),
        ("/", "GET", show_routes),
        ("/", "OPTIONS", show_openapi),
        (PREDICTIONS, "POST", invocations),
        *((alias, "POST", invocations) for alias in sorted(ALIASES)),
        (SESSIONS, "GET", invocations),
    ):
        app.add_url_rule(path, view_func=view, methods=[method], provide_automatic_options=False)
    app.before_request(_refuse_paths)
    app.register_error_handler(Exception, _answer_error)
    app.after_request(_add_request_id)
    return app


def _refuse_paths() -> None:
    # Flask would take `//ping` for `/ping`, and `//invocations` for a prediction that is not its own.
    if flask.request.environ["PATH_INFO"].startswith("//"):
        flask.abort(404)


def _answer_error(error: Exception) -> flask.Response:
    headers: list[tuple[str, str]] = []
    if isinstance(error, HTTPException) and error.code is not None:
        headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
        code, message = _ERRORS.get(error.code, ("http_error", error.name + "."))
        error = RequestError(error.code, code, message)
    elif isinstance(error, HandlerError):
        log.error("request %s: %s failed", _request_id(), error.function, exc_info=error.__cause__)
    elif not isinstance(error, RequestError):
        log.error("request %s failed", _request_id(), exc_info=error)
        error = InternalError()
    return flask.Response(error_body(error, _request_id()), error.status, headers, content_type=JSON)


def _add_request_id(response: flask.Response) -> flask.Response:
    response.headers[REQUEST_ID] = _request_id()
    return response


def _request_id() -> str:
    return str(flask.request.environ[ENVIRON_REQUEST_ID])
