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
NO_BODY = frozenset({204, 304})
"""Statuses whose responses have no body, whatever was given (RFC 9110, sections 15.3.5 and 15.4.5)."""


class _StatusLines(dict[int, str]):
    def __missing__(self, status: int) -> str:
        return f"{status} Status"


STATUS_LINES = _StatusLines((status.value, f"{status.value} {status.phrase}") for status in HTTPStatus)
"""Statuses as WSGI wants them, those that the standard does not know too."""


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
        """Whether there is no body, whatever was given."""
        return self.status in NO_BODY


def make_stream_head(content_type: str, request_id: str, status: int, headers: Pairs) -> HTTPResponse:
    """Return the head of an answer whose length nobody knows yet."""
    own = [("Content-Type", content_type), (REQUEST_ID, request_id), UNBUFFERED]
    if not any(name.lower() == "content-encoding" for name, _ in headers):
        # nginx compresses nothing that has an encoding: a piece would cost more than it saves.
        own.append(("Content-Encoding", "identity"))
    return HTTPResponse(status, STATUS_LINES[status], [*own, *headers], b"")


def make_error_response(
    error: RequestError, request_id: str, cause: Mapping[str, object] | None = None
) -> HTTPResponse:
    """Return `{"error": {"code", "message", "request_id"}}` under the error's status, and a `cause`."""
    body = error_body(error, request_id, cause)
    headers = [("Content-Type", JSON), ("Content-Length", str(len(body))), (REQUEST_ID, request_id)]
    return HTTPResponse(error.status, STATUS_LINES[error.status], headers, body)


def error_body(error: RequestError, request_id: str, cause: Mapping[str, object] | None = None) -> bytes:
    """Return the JSON of an error."""
    fields = {"code": _writable(error.code), "message": _writable(error.message), "request_id": request_id}
    return orjson.dumps({"error": {**fields, "cause": cause} if cause else fields})


def _writable(text: object) -> str:
    """Return a text as JSON in UTF-8 can hold it: half of a surrogate pair becomes a question mark."""
    return str(text).encode(errors="replace").decode()
