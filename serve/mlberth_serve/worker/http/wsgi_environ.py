"""The WSGI environment of a request on the fast path: what gunicorn would make of it, without its parser.

It has three parts, from what changes least to what changes most: `base_environ` of a worker,
`connection_environ` of a connection, and the head of a request (`fast_path.py`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def base_environ(settings: Any) -> WSGIEnvironment:
    """Return what all environments of one worker have in common."""
    environ: WSGIEnvironment = wsgi.base_environ(settings) | {
        # What `fast_path.LINE` says.
        "REQUEST_METHOD": FastRequest.method,
        "QUERY_STRING": "",
        "RAW_URI": "/invocations",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "PATH_INFO": "/invocations",
        "SCRIPT_NAME": "",
    }
    return environ


def connection_environ(
    base: WSGIEnvironment, client: socket.socket, address: Any, server: Any
) -> WSGIEnvironment:
    """Return what all environments of one connection have in common; over TCP its address is the server's."""
    environ = base | {"gunicorn.socket": client}
    if isinstance(server, str):  # a unix socket: SERVER_NAME is the Host's
        environ["REMOTE_ADDR"] = address if isinstance(address, str) else address.decode()
    else:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address[0], str(address[1])
        environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
    return environ


class FastRequest:
    """What gunicorn's response asks of a request."""

    method = "POST"
    version = (1, 1)

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def should_close(self) -> bool:
        """Say that nothing in the request asks for its connection to be closed."""
        return False

    def early_hints(self, response: Any) -> Callable[[Any], None]:
        """Return what sends 103 to the client, as gunicorn offers it to applications."""
        send: Callable[[Any], None] = wsgi._make_early_hints_callback(self, self._client, response)  # noqa: SLF001
        return send
