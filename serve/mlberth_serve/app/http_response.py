"""The response to a client, and the one form of every error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson

from mlberth_serve.errors import RequestError
from mlberth_serve.handler.response_headers import Pairs

REQUEST_ID = "X-Request-Id"
UNBUFFERED = ("X-Accel-Buffering", "no")
"""Tells nginx to send on each piece at once."""
JSON = "application/json"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(slots=True)  # not frozen: that would cost each response a microsecond
class HTTPResponse:
    """A whole response: its headers hold Content-Type and Content-Length already."""

    status: int
    status_line: str
    """The status as WSGI wants it."""
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def omits_body(self) -> bool:
        """Whether there is no body whatever was given (RFC 9110, sections 15.3.5 and 15.4.5)."""
        return self.status in {204, 304}


def make_response(
    body: bytes, content_type: str, request_id: str, status: int = 200, headers: Pairs = ()
) -> HTTPResponse:
    """Return an answer; 204 and 304 have no body whatever was given."""
    line = _STATUS_LINES.get(status) or f"{status} Status"
    if status in {204, 304}:
        return HTTPResponse(status, line, [(REQUEST_ID, request_id), *headers], b"")
    own = [("Content-Type", content_type), ("Content-Length", str(len(body))), (REQUEST_ID, request_id)]
    return HTTPResponse(status, line, [*own, *headers] if headers else own, body)


def make_stream_head(content_type: str, request_id: str, status: int, headers: Pairs) -> HTTPResponse:
    """Return the head of an answer whose length nobody knows yet."""
    line = _STATUS_LINES.get(status) or f"{status} Status"
    own = [("Content-Type", content_type), (REQUEST_ID, request_id), UNBUFFERED]
    if not any(name.lower() == "content-encoding" for name, _ in headers):
        # nginx compresses nothing that has an encoding: a piece would cost more than it saves.
        own.append(("Content-Encoding", "identity"))
    return HTTPResponse(status, line, [*own, *headers], b"")


def make_error_response(
    error: RequestError, request_id: str, cause: Mapping[str, object] | None = None
) -> HTTPResponse:
    """Return `{"error": {"code", "message", "request_id"}}` under the error's status, and a `cause`."""
    return make_response(error_body(error, request_id, cause), JSON, request_id, error.status)


def error_body(error: RequestError, request_id: str, cause: Mapping[str, object] | None = None) -> bytes:
    """Return the JSON of an error."""
    fields = {"code": _writable(error.code), "message": _writable(error.message), "request_id": request_id}
    return orjson.dumps({"error": {**fields, "cause": cause} if cause else fields})


def _writable(text: object) -> str:
    """Return a text as JSON in UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return str(text).encode(errors="replace").decode()
