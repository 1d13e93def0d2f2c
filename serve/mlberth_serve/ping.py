"""GET /ping where nginx is not there to answer it: from the same files, by a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Wsgi = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]


def answer_ping(application: Wsgi, state: Path) -> Wsgi:
    """Return the application with GET and HEAD of /ping answered from the supervisor's files."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if environ["PATH_INFO"] != "/ping" or method not in ("GET", "HEAD"):
            return application(environ, start_response)
        if (state / "ready").exists():
            start_response("200 OK", [("Content-Length", "0"), ("Cache-Control", "no-store")])
            return []
        body = (state / "not_ready.json").read_bytes()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("503 Service Unavailable", [*headers, ("Cache-Control", "no-store")])
        return [body] if method == "GET" else []

    return answer
