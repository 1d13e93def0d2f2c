"""What goes back to the client, and the one form of every error."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import orjson

from mlberth_serve.errors import RequestError

REQUEST_ID = "X-Request-Id"
JSON = "application/json"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True)
class HTTPResponse:
    """A whole answer: its headers hold Content-Type and Content-Length already."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def status_line(self) -> str:
        """The status as WSGI wants it; numbers without a name of their own get their class's."""
        return _STATUS_LINES.get(self.status) or f"{self.status} Status"


def make_response(
    body: bytes, content_type: str, request_id: str, status: int = 200, headers: dict[str, str] | None = None
) -> HTTPResponse:
    """Return an answer; 204 and 304 have no body whatever was given."""
    if status in {204, 304}:
        return HTTPResponse(status, [(REQUEST_ID, request_id), *(headers or {}).items()], b"")
    own = [("Content-Type", content_type), ("Content-Length", str(len(body))), (REQUEST_ID, request_id)]
    return HTTPResponse(status, [*own, *headers.items()] if headers else own, body)


def make_error_response(error: RequestError, request_id: str) -> HTTPResponse:
    """Return `{"error": {"code", "message", "request_id"}}` under the error's status."""
    return make_response(error_body(error, request_id), JSON, request_id, error.status)


def error_body(error: RequestError, request_id: str) -> bytes:
    """Return the JSON of an error."""
    fields = {"code": _writable(error.code), "message": _writable(error.message), "request_id": request_id}
    return orjson.dumps({"error": fields})


def _writable(text: object) -> str:
    """Return a text as JSON in UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return str(text).encode(errors="replace").decode()
