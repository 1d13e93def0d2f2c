"""/ping and /metrics if there is no nginx: answered by a worker, from the same files as nginx would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlberth_serve.app.http_response import make_error_response
from mlberth_serve.errors import RequestError
from mlberth_serve.shared.request_ids import request_id
from mlberth_serve.shared.server_state import CAUSES, READY, read_state

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Wsgi = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]


def serve_ping(application: Wsgi, state: Path) -> Wsgi:
    """Return the application with GET and HEAD of /ping answered from the supervisor's files."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if environ["PATH_INFO"] != "/ping" or method not in ("GET", "HEAD"):
            return application(environ, start_response)
        if (state / READY).exists():
            start_response("200 OK", [("Content-Length", "0"), ("Cache-Control", "no-store")])
            return []
        found = read_state(state)
        return _refuse(RequestError(503, found, CAUSES[found]), environ, start_response)

    return answer


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WRONG_METHOD = RequestError(405, "method_not_allowed", "Use GET here.")
_NO_METRICS = RequestError(
    503, "not_ready", "There are no metrics yet, or they cannot be written; then the log says why."
)


def serve_metrics(application: WSGIApplication, page: Path) -> WSGIApplication:
    """Return the application with /metrics answered from the supervisor's file."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return application(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            return _refuse(_WRONG_METHOD, environ, start_response, ("Allow", "GET, HEAD"))
        try:
            body = page.read_bytes()
        except OSError:  # not there yet, or not any more
            return _refuse(_NO_METRICS, environ, start_response)
        length = str(len(body))
        start_response(
            "200 OK",
            [("Content-Type", CONTENT_TYPE), ("Content-Length", length), ("Cache-Control", "no-store")],
        )
        return [body] if method == "GET" else []

    return answer


def _refuse(
    error: RequestError, environ: WSGIEnvironment, start_response: StartResponse, *headers: tuple[str, str]
) -> Iterable[bytes]:
    refusal = make_error_response(error, request_id(environ))
    start_response(refusal.status_line, [*refusal.headers, *headers, ("Cache-Control", "no-store")])
    return [refusal.body] if environ["REQUEST_METHOD"] != "HEAD" else []
