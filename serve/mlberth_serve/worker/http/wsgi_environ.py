"""The WSGI environment of a request that was read without gunicorn's parser: what that would make of it."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi

from mlberth_serve.worker.http.fast_parser import Head

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from mlberth_serve.worker.http.connection import Connection
    from mlberth_serve.worker.http.response_writer import Reply

_KEPT_HOSTS = 256


class FastEnviron:
    """What all environments of one worker have in common."""

    def __init__(self, settings: Any, *, whole: bool) -> None:
        """Make them for an application that takes a body `whole`, or for one that reads any way WSGI has."""
        self._whole = whole
        self._base = wsgi.base_environ(settings) | {
            "REQUEST_METHOD": FastRequest.method,
            "QUERY_STRING": "",
            "RAW_URI": "/invocations",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "PATH_INFO": "/invocations",
            "SCRIPT_NAME": "",
        }

    def make(self, connection: Connection, head: Head, body: bytes | memoryview) -> WSGIEnvironment:
        """Return the environment of one request."""
        environ: WSGIEnvironment = self._base | head.environ
        environ["wsgi.input"] = WholeBody(body) if self._whole else io.BytesIO(body)
        environ["gunicorn.socket"] = connection.socket
        address, server = connection.address, connection.server
        if isinstance(server, str):  # a unix socket
            environ["REMOTE_ADDR"] = address if isinstance(address, str) else address.decode()
            environ["SERVER_NAME"], environ["SERVER_PORT"] = _split_host(environ["HTTP_HOST"])
        else:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address[0], str(address[1])
            environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
        return environ


class WholeBody:
    """A body that is handed over as it lies in memory."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes | memoryview) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes | memoryview:  # noqa: ARG002 - nobody asks for less than all
        """Return all of it."""
        return self._body


class FastRequest:
    """What gunicorn's response asks of a request."""

    method = "POST"
    version = (1, 1)

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def should_close(self) -> bool:
        """Tell that nothing in the request asks for its connection to be closed."""
        return False

    def early_hints(self, reply: Reply) -> Callable[[Any], None]:
        """Return what sends 103 to the client, as gunicorn offers it to applications."""
        send: Callable[[Any], None] = wsgi._make_early_hints_callback(self, self._client, reply)  # noqa: SLF001
        return send


@lru_cache(_KEPT_HOSTS)
def _split_host(host: str) -> tuple[str, str]:
    parts = host.split(":")
    return parts[0], parts[1] if len(parts) > 1 else "80"
