"""HTTP for the model manager: whole requests, as nginx sends them over a unix socket, and whole answers.

There is no waiting: a request is read as it comes, and its answer sent when it is known, in one thread.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

_BACKLOG = 256
_PIECE = 65536
_MAX_BYTES = 256 * 1024
"""Of a request: its head, and a body that names a model and its folder."""
_READ_SECONDS = 15.0
_SEND_SECONDS = 5.0
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id:[ \t]*([A-Za-z0-9._-]{1,128})[ \t]*\r\n", re.IGNORECASE)


@dataclass
class Request:
    """One request."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    body: bytes
    request_id: str = ""


@dataclass
class Answer:
    """One answer, whose body becomes JSON."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One connection, with its one request and, later, the answer."""

    def __init__(self, client: socket.socket, deadline: float) -> None:
        client.setblocking(False)
        self.socket = client
        self.deadline = deadline
        self.request: Request | None = None
        self._data = b""

    def receive(self) -> bool:
        """Read what has arrived; returns False where the connection is of no further use."""
        try:
            piece = self.socket.recv(_PIECE)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._data += piece
        if not piece or len(self._data) > _MAX_BYTES:
            return False
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return True
        length = _LENGTH.search(head + b"\r\n")
        if len(body) < (int(length[1]) if length else 0):
            return True
        self.request = _parse(head + b"\r\n", body)
        return self.request is not None

    def answer(self, answer: Answer) -> None:
        """Send an answer and close; a client that has gone is no error."""
        text = (json.dumps(answer.body, indent=2) + "\n").encode()
        request_id = self.request.request_id if self.request else ""
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
            "Cache-Control": "no-store",
            **({"X-Request-Id": request_id} if request_id else {}),
            **answer.headers,
            "Connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n{lines}\r\n".encode(
            "latin-1", "replace"
        )
        body = b"" if self.request and self.request.method == "HEAD" else text
        with contextlib.suppress(OSError):
            self.socket.settimeout(_SEND_SECONDS)
            self.socket.sendall(head + body)
        self.close()

    def has_gone(self) -> bool:
        """Return whether nobody waits for the answer."""
        poll = select.poll()
        poll.register(self.socket, 0)  # POLLHUP and POLLERR are always reported
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


class Listener:
    """The socket that nginx connects to, and the connections whose request has not arrived as a whole."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Listen; raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(_BACKLOG)
        self._socket.setblocking(False)
        self._clock = clock
        self._reading: list[Exchange] = []

    @property
    def descriptors(self) -> list[int]:
        """What is to be watched."""
        return [self._socket.fileno(), *(exchange.socket.fileno() for exchange in self._reading)]

    def take(self) -> list[Exchange]:
        """Return the exchanges whose request is there."""
        with contextlib.suppress(OSError):  # nobody is there any more, or there is no descriptor left
            while True:
                client, _ = self._socket.accept()
                self._reading.append(Exchange(client, self._clock() + _READ_SECONDS))
        arrived = []
        for exchange in list(self._reading):
            keep = exchange.receive()
            if exchange.request:
                arrived.append(exchange)
            elif keep and self._clock() < exchange.deadline:
                continue
            else:
                exchange.close()
            self._reading.remove(exchange)
        return arrived

    def close(self) -> None:
        """Take no more."""
        self._socket.close()


def _parse(head: bytes, body: bytes) -> Request | None:
    """Return a request; None for what is none. nginx has refused what HTTP does not allow."""
    try:
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        parts = urlsplit(target)
        path, query = (
            unquote(parts.path, errors="replace"),  # no name holds what stands for other bytes
            dict(parse_qsl(parts.query, keep_blank_values=True)),
        )
    except ValueError:
        return None
    name = _REQUEST_ID.search(head)
    return Request(method, path, query, body, name[1].decode() if name else "")
