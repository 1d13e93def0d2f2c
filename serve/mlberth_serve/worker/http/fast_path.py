"""A prediction on the wire: its request in the form in which nginx sends it, and its response.

`read_head` takes less than HTTP allows, and nothing that gunicorn's parser refuses or reads in another way:
whatever is out of the ordinary is None, and left to that parser. Source: RFC 9112.
"""
# nginx.conf puts first what is another for each request. What follows it is mostly what another request had
# too, and is read once for all of them.

from __future__ import annotations

import re
import socket
from functools import lru_cache
from time import time
from typing import NamedTuple

from gunicorn import SERVER, util

from mlberth_serve.app.http_response import HTTPResponse
from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID

LINE = b"POST /invocations HTTP/1.1\r\n"
_MAX_HEAD_BYTES = 8000
"""Below every limit of the other parser."""
_MAX_FIELDS = 100
"""As many as the other parser takes."""
_TOKEN = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")  # without `_`, which stands for `-` in an environment
# Of RFC 3986's names without a comma, which would make a list of two Hosts of it.
_HOST = re.compile(r"(?:[0-9A-Za-z._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_LENGTH = re.compile(r"[0-9]{1,12}")
_KEYS = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}
# They say how the body is sent, or what becomes of the connection.
_SPECIAL = {"TRANSFER-ENCODING", "TE", "TRAILER", "EXPECT", "UPGRADE", "CONNECTION", "KEEP-ALIVE"}
_KEPT_NAMES = 1024
"""Names of headers and hosts in the caches: bounded, since clients choose them."""
_KEPT_HEADS = 256
"""Each up to 8 kB, so 2 MB at most."""
_VARYING = re.compile(rb"X-Request-Id: ([0-9a-f]{32})\r\nX-Request-Start: (t=[0-9]{1,12}\.[0-9]{3})\r\n")

_MAX_JOINED_BYTES = 65536
"""A first piece that is larger is sent after the head: up to here the copy is cheaper than a system call."""


class Head(NamedTuple):
    """What a head says."""

    environ: dict[str, str]
    """The headers as WSGI wants them, the server's name by the Host, the request's id if nginx made it."""
    size: int
    """Of the head, in bytes."""
    length: int
    """Of the body that follows, in bytes."""


def read_head(data: bytes) -> Head | None:
    """Return the head that `data` begins with; None if it is not whole, or one for the other parser."""
    end = data.find(b"\r\n\r\n", 0, _MAX_HEAD_BYTES)
    if end < 0 or not data.startswith(LINE):
        return None
    varying = _VARYING.match(data, len(LINE), end + 2)
    if varying is None:
        environ = _read_fields(data[len(LINE) : end])
    elif fields := _read_kept_fields(data[varying.end() : end]):
        name, start = varying.groups()
        request_id = name.decode()  # 32 digits of nginx's, so it needs no check to be the request's id
        environ = {
            "HTTP_X_REQUEST_ID": request_id,
            "HTTP_X_REQUEST_START": start.decode(),
            ENVIRON_REQUEST_ID: request_id,
            **fields,
        }
        if len(environ) != len(fields) + 3:  # one of nginx's two headers is there again
            return None
    else:
        return None
    return Head(environ, end + 4, int(environ.get("CONTENT_LENGTH", "0"))) if environ else None


def _read_fields(data: bytes) -> dict[str, str] | None:
    """Return the headers as WSGI wants them, a Host and a length that can be read among them, or None."""
    lines = data.decode("latin-1").split("\r\n")
    plain = "".join(lines)
    # Printable ASCII: no control byte, no CR or LF by itself, nothing that a case or a strip could change.
    if not (plain.isascii() and plain.isprintable()) or len(lines) > _MAX_FIELDS:
        return None
    environ: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = _environ_key(name)
        if key is None or key in environ or len(name) == len(line):
            return None
        environ[key] = value.strip(" ")
    host = environ.get("HTTP_HOST", "")
    if not is_host(host) or not _LENGTH.fullmatch(environ.get("CONTENT_LENGTH", "0")):
        return None
    # As gunicorn splits it over a unix socket, an IPv6 address in brackets included.
    environ["SERVER_NAME"], *port = host.split(":")
    environ["SERVER_PORT"] = port[0] if port else "80"
    return environ


@lru_cache(_KEPT_HEADS)
def _read_kept_fields(data: bytes) -> dict[str, str] | None:
    return _read_fields(data)


@lru_cache(_KEPT_NAMES)
def is_host(text: str) -> bool:
    """Return whether a Host is a name or an address, with a port or without."""
    return _HOST.fullmatch(text) is not None


@lru_cache(_KEPT_NAMES)
def _environ_key(name: str) -> str | None:
    """Return the key that WSGI has for a header; None for one that is special, or that is no name."""
    upper = name.upper()
    if not _TOKEN.fullmatch(name) or upper in _SPECIAL:
        return None
    return _KEYS.get(upper, "HTTP_" + upper.replace("-", "_"))


class GoneError(Exception):
    """The client has gone, or takes nothing any more."""


def send_response(client: socket.socket, response: HTTPResponse, *, keep: bool) -> None:
    """Send a response of ours, whose headers were checked when they were made; raises GoneError."""
    send(client, response_head(response, keep=keep), response.body)


def response_head(response: HTTPResponse, *, keep: bool) -> bytes:
    """Return a response's head, up to the empty line."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    connection = "keep-alive" if keep else "close"
    head = (
        f"HTTP/1.1 {response.status_line}\r\n{_date_line(int(time()))}Connection: {connection}\r\n{lines}\r\n"
    )
    return head.encode("latin-1")


def send(client: socket.socket, head: bytes, data: bytes) -> None:
    """Send a head and what follows it, in one system call if the copy is cheaper; raises GoneError."""
    try:
        if len(data) <= _MAX_JOINED_BYTES:
            client.sendall(head + data)
        else:
            client.sendall(head)
            client.sendall(data)
    except OSError as error:
        raise GoneError from error


@lru_cache(1)  # the same for all responses of a second
def _date_line(now: int) -> str:
    return f"Server: {SERVER}\r\nDate: {util.http_date(now)}\r\n"
