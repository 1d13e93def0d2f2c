"""A connection to a model server, which never waits: whoever has it polls its socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import httptools

Body = bytes | Callable[[], Iterable[bytes]]
"""Of a request: what makes its parts is asked anew for each try, and they are sent in chunks."""
_CONNECT_SECONDS = 5.0
_JOINED = 64 * 1024
"""A body of at most so many bytes is sent in one piece with its head."""
_PIECE = 64 * 1024
_NO_BODY = (204, 304)


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    content_type: str | None
    """As the server has sent it."""
    body: bytes


class Connection:
    """A connection that has one request at a time."""

    def __init__(self, port: int) -> None:
        """Connect to a port of 127.0.0.1. Raises OSError."""
        self.socket = socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.is_kept = False
        """Whether it has brought a reply before: the server may have closed it meanwhile."""
        self.has_begun = False
        """Whether a part of the reply has come."""
        self.is_sending = False
        """Whether there is more of the request to send."""
        self.is_open = True
        """Whether another request can be sent once the reply is there."""
        self._parser = httptools.HttpResponseParser(self)
        self._parts: Iterator[bytes] = iter(())
        self._unsent: bytes | memoryview = b""
        self._reply: Reply | None = None

    def begin(self, head: bytes, body: Body) -> bool:
        """Send a request as far as that goes without waiting; returns whether all of it was. Raises OSError.

        `head` has all lines but the one that says how the body ends.
        """
        if callable(body):
            self._parts = _chunks(head, body())
        else:
            head += b"Content-Length: %d\r\n\r\n" % len(body)
            self._parts = iter((head + body,) if len(body) <= _JOINED else (head, body))
        self._unsent = b""
        self._reply = None
        self.has_begun = False
        return self.send()

    def send(self) -> bool:
        """Go on sending; returns whether all was sent."""
        while True:
            if not self._unsent:
                part = next(self._parts, None)
                self.is_sending = part is not None
                if part is None:
                    return True
                self._unsent = part
            try:
                sent = self.socket.send(self._unsent)
            except BlockingIOError:
                return False
            self._unsent = memoryview(self._unsent)[sent:] if sent < len(self._unsent) else b""

    def receive(self) -> Reply | None:
        """Read what has come; returns the reply when it is whole. Raises OSError."""
        try:
            data = self.socket.recv(_PIECE)
        except BlockingIOError:
            return None
        if not data:
            if not self.has_begun or not self._ends_with_connection():
                raise ConnectionResetError("the server has closed the connection without an answer")
            self.on_message_complete()
        else:
            if not self.has_begun:
                self.has_begun = True
                self._start()
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError as error:
                raise ConnectionError(f"the answer is not HTTP: {error}") from error
        if self._reply:
            self.is_kept = True
        return self._reply

    def _start(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Called by the parser, as are those that follow."""
        self._headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Put the reply together."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim one; the reply is still to come
            self._start()
            return
        self.is_open = self._parser.should_keep_alive() and not self._ends_with_connection()
        media_type = self._headers.get(b"content-type")
        self._reply = Reply(
            status, media_type.decode("latin-1") if media_type is not None else None, b"".join(self._body)
        )

    def _ends_with_connection(self) -> bool:
        names = self._headers
        has_end = b"content-length" in names or b"transfer-encoding" in names
        return not has_end and self._parser.get_status_code() not in _NO_BODY

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self.socket.close()


def _chunks(head: bytes, parts: Iterable[bytes]) -> Iterator[bytes]:
    yield head + b"Transfer-Encoding: chunked\r\n\r\n"
    for part in parts:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"
