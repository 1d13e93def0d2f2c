"""GET /metrics where nginx is not there to answer it: from the same file, by a worker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def answer_scrape(application: WSGIApplication, page: Path) -> WSGIApplication:
    """Return the application with GET /metrics answered from the supervisor's file, if that is there."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics" and environ["REQUEST_METHOD"] == "GET" and page.exists():
            body = page.read_bytes()
            length = str(len(body))
            start_response(
                "200 OK",
                [("Content-Type", CONTENT_TYPE), ("Content-Length", length), ("Cache-Control", "no-store")],
            )
            return [body]
        return application(environ, start_response)

    return answer
