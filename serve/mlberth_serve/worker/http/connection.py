"""One open connection of a worker, and the requests that arrive on it.

Its order: `receive` until there is something to do, `take` the request, `finish_request` before the next. In
between, `may_batch` and `has_request` look at what has arrived. Any other order is an AssertionError.
"""

from __future__ import annotations

import contextlib
import enum
import re
import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn import util
from gunicorn.http.body import ChunkedReader
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from mlberth_serve.app.body import ENVIRON_BODY
from mlberth_serve.handler.retry import is_retry
from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID, request_id
from mlberth_serve.worker.http.fast_path import Head, read_head
from mlberth_serve.worker.http.strict_parser import StrictParser
from mlberth_serve.worker.http.wsgi_environ import connection_environ

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PIECE = 65536
"""What is read at once: a socket's buffer in Linux holds not much more."""
MAX_BATCHED_BYTES = 16 * 1024
"""Above it there is little to win, and the others would wait for the reading."""
_MAX_FAST_BYTES = 32 * 1024 * 1024
"""Larger bodies are read by the application, which knows the limit."""
HEAD_SECONDS = 15.0
"""How long a client may take to send a request's head."""
IDLE_SECONDS = 75.0
"""How long a client may take to send its next request; nginx's own default."""
_CLOSE_SECONDS = 0.2
"""How long to read on from a client that is being cut off, so that it gets to see the answer."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class State(enum.Enum):
    """Where in its requests a connection is."""

    NEW = "new"
    """No request has been taken."""
    IN_BODY = "in body"
    """gunicorn's parser has the latest request: there may be more of its body than has been read."""
    READ = "read"
    """The latest request has been read to its end: the next one begins with what is left."""
    LOST = "lost"
    """Nobody knows where the next request begins."""


class Connection:
    """A socket, what has been read from it and not used, and when its client must have sent something."""

    def __init__(
        self,
        client: socket.socket,
        address: Any,
        server: Any,
        settings: Any,
        base_environ: WSGIEnvironment,
        *,
        collect: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing read; with `collect` the client is no nginx, and may be slow."""
        self.socket = client
        self.address = address
        self.server = server
        self.mask = 0
        """The bit of its slot among the worker's kept connections behind nginx; 0 is none."""
        self.is_pooled = False
        """Whether it is in the worker's pool, and in its poll."""
        self.data = b""
        """What has arrived of requests that no parser has begun."""
        self._environ = connection_environ(base_environ, client, address, server)
        self._head: Head | None = None
        """Of the request that `data` begins with, once it has been read."""
        self._settings = settings
        self._parser: Any = None
        self._collect = collect
        self._clock = clock
        self._state = State.NEW
        self._closing = select.poll()
        self._closing.register(client, 0)  # POLLHUP and POLLERR are always reported
        self.deadline = clock() + HEAD_SECONDS

    def receive(self, *, wait: bool = False) -> bool:
        """Read what has arrived, or what comes first; returns whether there is something to do.

        With `collect` that is a whole head, with as much of the body as is worth collecting, or the end
        of the connection: the parser, which waits for what it lacks, is not held up by a slow client.
        """
        # A client has HEAD_SECONDS for a whole head, however few bytes it sends at a time.
        if self._collect and not self.data:
            self.deadline = self._clock() + HEAD_SECONDS
        try:
            data = self.socket.recv(_PIECE, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True  # `take` will see it too
        self.data = self.data + data if self.data else data
        return not (data and self._collect) or self.has_request()

    def has_request(self) -> bool:
        """Return whether enough of a request has arrived to go on without waiting for its client."""
        data = self.data
        if not data:
            return False
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or len(data) >= _PIECE:  # beyond a piece it is the parser that refuses the head
            return len(data) >= _PIECE
        head = data[:end]
        length = None if _EXPECT.search(head) else _LENGTH.search(head)
        return len(data) - end >= min(int(length[1]) if length else 0, _PIECE - end)

    def may_batch(self) -> bool:
        """Return whether the next request is here, is small, and may be predicted together with others."""
        head = self._head = self._head or read_head(self.data)
        return (
            head is not None
            and head.length <= MAX_BATCHED_BYTES
            and head.size + head.length <= len(self.data)
            and not is_retry(head.environ)
        )

    def take(self) -> WSGIEnvironment | Request:
        """Take the next request: if it is one for the fast path its environment, with the whole body.

        Waits for what is missing. Raises StopIteration or NoMoreData if there is no further request, OSError
        if nobody waits for a response, and gunicorn's own errors for a faulty request.
        """
        assert self._state is not State.IN_BODY, "the request before has not been finished"
        head, data = self._head or read_head(self.data), self.data
        self._head = None
        if head is None or head.length > _MAX_FAST_BYTES:
            return self._parse()
        end = head.size + head.length
        if end <= len(data):
            body: bytes | memoryview = data[head.size : end]
            self.data = data[end:]
        elif self._collect:
            return self._parse()  # a client, and no nginx: its body comes when it comes
        else:
            body = self._receive_body(head.length, data[head.size :])
            self.data = b""
        self._state = State.READ
        if self._closing.poll(0):  # last, when all has been waited for: it costs no prediction then
            raise ConnectionAbortedError
        environ: WSGIEnvironment = (
            head.environ | self._environ
        )  # in this order: an address that is known beats the Host
        environ[ENVIRON_BODY] = body
        if ENVIRON_REQUEST_ID not in environ:  # nginx gives one to what it passes on
            environ[ENVIRON_REQUEST_ID] = request_id(environ)
        return environ

    def _receive_body(self, length: int, begun: bytes) -> memoryview:
        """Wait for the rest of a body: megabytes, which are copied nowhere else."""
        body = _make_buffer(length)
        body[: len(begun)] = begun
        rest = body[len(begun) :]
        while rest:
            count = self.socket.recv_into(rest, 0, socket.MSG_WAITALL)
            if not count:
                raise ConnectionResetError
            rest = rest[count:]
        return body

    def _parse(self) -> Request:
        if self._parser is None:
            # nginx has refused what RFC 9112 does not allow, and written everything anew.
            parser = StrictParser if self._collect else RequestParser
            self._parser = parser(self._settings, self.socket, self.address)
        self._parser.unreader.buf.write(self.data)
        self.data = b""
        self._state = State.IN_BODY
        request = next(self._parser)
        if self._closing.poll(0):
            raise ConnectionAbortedError
        return request

    def has_body(self) -> bool:
        """Return whether the body of the parsed request has arrived, so that the next request can be found.

        Whatever the application leaves of it is skipped then without waiting for the client.
        """
        assert self._state is State.IN_BODY, "no request of gunicorn's parser is in work"
        body, rest = self._parser.mesg.body, self._parser.unreader.buf.getvalue()
        if getattr(body, "failed", False) or (not rest and self._has_ended()):
            return False
        if isinstance(body.reader, ChunkedReader):
            return body.reader.parser is None or _LAST_CHUNK in rest
        return getattr(body.reader, "length", 0) <= len(rest)

    def _has_ended(self) -> bool:
        """Return whether the client has closed its direction, so that there is no next request."""
        seconds = self.socket.gettimeout()
        self.socket.settimeout(0)  # a look, not a wait
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        finally:
            self.socket.settimeout(seconds)

    def idle(self) -> None:
        """Begin to wait for the next request."""
        self.deadline = self._clock() + IDLE_SECONDS

    def is_abandoned(self) -> bool:
        """Return whether the other side has closed, so that nobody waits for the answer.

        Both directions must be closed: a client may send its request, close its own direction, and
        still read the answer.
        """
        return bool(self._closing.poll(0))

    def finish_request(self) -> bool:
        """Skip what the application has left of the body; returns whether the next request can be read."""
        if self._state is State.READ:  # on the fast path it was taken with its body
            return True
        assert self._state is State.IN_BODY, "no request is in work"
        # The first is the usual case, without a system call.
        is_read = getattr(self._parser.mesg.body.reader, "length", None) == 0
        if not is_read:
            with contextlib.suppress(Exception):  # whatever it is, the connection is of no further use
                is_read = self._parser.finish_body(deadline=time.monotonic() + _CLOSE_SECONDS)
        self._state = State.READ if is_read else State.LOST
        self.data = self._parser.unreader.take_buffered()
        return is_read

    def close(self) -> None:
        """Close, so that the client can read the answer that it was sent."""
        if self._state is State.READ and self.socket.family == socket.AF_UNIX:
            # Nothing is left to read, and what was sent stays readable. A duplicate may keep it open.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
        else:
            util.close_graceful(self.socket, timeout=_CLOSE_SECONDS)


def _make_buffer(size: int) -> memoryview:
    """Return memory for a body: not a bytearray, which would be filled with zeros only to be overwritten."""
    import numpy as np

    return np.empty(size, np.uint8).data
