"""`mlberth health`: what an image's HEALTHCHECK runs."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from mlberth.envvars import Reader
from mlberth_serve.variables import Variables

_SECONDS = 4.0
_LONGEST_ANSWER = 64 * 1024


def health(environ: Mapping[str, str]) -> tuple[bool, str]:
    """Ask the server of this container whether it is ready; returns that, and what it said.

    If nobody serves, that is not ready: nobody but who started the container knows whether it should.
    """
    reader = Reader(environ)
    host, port = reader.get(Variables.host), reader.get(Variables.port)
    tls = bool(reader.get(Variables.tls_certificate))
    reader.check()
    return ping(_reachable(host), port, tls=tls)


def ping(host: str, port: int, timeout: float = _SECONDS, *, tls: bool = False) -> tuple[bool, str]:
    """Send GET /ping; returns whether the answer is 200 within `timeout` seconds, and its body."""
    try:
        with _connect(host, port, timeout, tls=tls) as connection:
            connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
            answer = bytearray()
            while (part := connection.recv(4096)) and len(answer) < _LONGEST_ANSWER:
                answer += part
    except ConnectionRefusedError:
        return False, f"nobody serves on {host}:{port}: the connection was refused"
    except OSError as error:
        return False, f"no answer at {host}:{port}: {error}"
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    status = head.partition(b"\r\n")[0]
    text = body.strip() or status or b"no answer"
    return status.split()[1:2] == [b"200"], text.decode(errors="replace")


def _connect(host: str, port: int, timeout: float, *, tls: bool) -> socket.socket:
    connection = socket.create_connection((host, port), timeout)
    if not tls:
        return connection
    import ssl

    # Our own server, at our own address: for what names its certificate is good is the clients' concern.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(connection)
    except OSError:
        connection.close()
        raise


def _reachable(host: str) -> str:
    """Return an address of this container for the one it listens on, which may be all of them."""
    if not ipaddress.ip_address(host).is_unspecified:
        return host
    return "::1" if ":" in host else "127.0.0.1"
