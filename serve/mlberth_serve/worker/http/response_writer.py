"""Responses on the wire that are not on the fast path.

WSGIResponse sends what a WSGI application writes; `refusal` is an error of ours that never reaches an
application, and `send_refusal` one of gunicorn's.
"""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gunicorn.http.wsgi

from mlberth_serve.app.body import ENVIRON_BODY
from mlberth_serve.app.http_response import make_error_response
from mlberth_serve.errors import InternalError, RequestError
from mlberth_serve.shared.request_ids import request_id
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.fast_path import send
from mlberth_serve.worker.http.wsgi_environ import FastRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class WSGIResponse(gunicorn.http.wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """What a WSGI application writes to, with gunicorn's framing, in as few system calls as possible.

    A small response leaves in one, so that a worker that is killed has sent all of it or nothing.
    `headers_sent` is true from when something is on the wire.
    """

    def __init__(
        self, request: Any, client: socket.socket, settings: Any, may_keep: Callable[[], bool]
    ) -> None:
        super().__init__(request, client, settings)
        self._may_keep = may_keep  # asked late, when the head is made: others may have come by then
        self._head = b""

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Take the head of an answer; that of an error takes the place of the one before (PEP 3333)."""
        if exc_info and not self.headers_sent:
            self.headers.clear()
            self.response_length = None
        return super().start_response(status, headers, exc_info)

    def send_headers(self) -> None:
        """Make the head; it leaves with the first piece of the body."""
        if self._head or self.headers_sent:
            return
        if not self._may_keep():
            self.force_close()  # so that the head says `Connection: close`
        _, *defaults = self.default_headers()  # the first repeats whatever version the client has named
        lines = [*defaults, *(f"{name}: {value}\r\n" for name, value in self.headers)]
        self._head = f"HTTP/1.1 {self.status}\r\n{''.join(lines)}\r\n".encode("latin-1")

    def close(self) -> None:
        """Send what is left; a body shorter than its Content-Length closes the connection."""
        self.send_headers()
        self._send(b"0\r\n\r\n" if self.chunked else b"")
        if not self._omits_body and self.sent < (self.response_length or 0):
            self.force_close()

    def _emit_body(self, data: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if not (head or data):
            return
        self.headers_sent = True
        send(self.sock, head, data)


def begin_wsgi(
    connection: Connection, request: Any, settings: Any, may_keep: Callable[[], bool]
) -> tuple[WSGIResponse, WSGIEnvironment]:
    """Return response and environment for what `connection.take` has returned."""
    client = connection.socket
    if isinstance(request, dict):  # our own parser has read it, with its body
        request["wsgi.input"] = io.BytesIO(request.pop(ENVIRON_BODY))
        fast = FastRequest(client)
        response = WSGIResponse(fast, client, settings, may_keep)
        request["wsgi.early_hints"] = fast.early_hints(response)
        return response, request
    response, environ = gunicorn.http.wsgi.create(
        request,
        client,
        connection.address,
        connection.server,
        settings,
        response_class=WSGIResponse,
        response_args=(lambda: may_keep() and connection.has_body(),),
    )
    return response, environ


# gunicorn has a status for these alone; the rest of its errors are 400 or 500. The words are nginx's.
_ERRORS = {
    414: ("uri_too_long", "The request line is longer than 8 kB."),
    417: ("expectation_failed", "Expectation Failed."),
    431: (
        "headers_too_large",
        "A header is longer than 8 kB, all of them are longer than 32 kB, or there are more than 100.",
    ),
    501: (
        "not_implemented",
        "This transfer encoding is not served here; use chunked or a Content-Length.",
    ),
}


def refusal(error: RequestError) -> bytes:
    """Return an error as the bytes of a response that closes its connection."""
    response = make_error_response(error, request_id({}))
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    return f"HTTP/1.1 {response.status_line}\r\n{headers}Connection: close\r\n\r\n".encode() + response.body


def send_refusal(client: socket.socket, write_page: Callable[[StatusReader], None]) -> None:
    """Send the error page that `write_page` writes in the form of all our errors."""
    reader = StatusReader()
    write_page(reader)
    status, _, phrase = reader.status.partition(" ")
    number = int(status or 500)
    code, message = _ERRORS.get(number, ("bad_request", f"{phrase}."))
    error = InternalError() if number == 500 else RequestError(number, code, message)
    with contextlib.suppress(OSError):  # the client may have gone
        client.sendall(refusal(error))


class StatusReader:
    """Stands in for a socket that gunicorn writes an error page to, and keeps the page's status alone."""

    def __init__(self) -> None:
        self.status = ""

    def gettimeout(self) -> float:
        """Say that nothing here ever waits."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Read the status line; gunicorn writes a page in one piece."""
        self.status = data.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
