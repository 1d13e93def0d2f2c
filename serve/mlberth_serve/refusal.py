"""The answer to a request that never reached the application, or that made it fail."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from mlberth_serve.errors import InternalError, RequestError
from mlberth_serve.request_id import request_id
from mlberth_serve.response import make_error_response

_CODES = {414: "uri_too_long", 417: "expectation_failed", 431: "headers_too_large", 501: "not_implemented"}


def refusal(error: RequestError) -> bytes:
    """Return an error as the bytes of an answer that closes its connection."""
    response = make_error_response(error, request_id({}))
    headers = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    return f"HTTP/1.1 {response.status_line}\r\n{headers}Connection: close\r\n\r\n".encode() + response.body


def send_refusal(client: socket.socket, write_page: Callable[[Page], None]) -> None:
    """Send the error page that `write_page` writes in the form of all our errors."""
    page = Page()
    write_page(page)
    status, _, phrase = page.status.partition(" ")
    number = int(status or 500)
    error = (
        InternalError()
        if number == 500
        else RequestError(number, _CODES.get(number, "bad_request"), f"{phrase}.")
    )
    with contextlib.suppress(OSError):
        client.sendall(refusal(error))


class Page:
    """Takes gunicorn's error page, in a socket's place, for its status."""

    def __init__(self) -> None:
        self.status = ""

    def gettimeout(self) -> float:
        """Say that nothing here ever waits."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Read the status line."""
        self.status = data.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
