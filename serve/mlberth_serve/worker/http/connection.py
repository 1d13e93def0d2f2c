"""One open connection of a worker, and the requests that arrive on it."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn import util
from gunicorn.http.body import ChunkedReader
from gunicorn.http.parser import RequestParser

from mlberth_serve.handler.retry import is_retry
from mlberth_serve.worker.http.fast_parser import Head, read_head
from mlberth_serve.worker.http.strict_parser import StrictParser

_PIECE = 65536
MAX_BATCHED_BYTES = 16 * 1024
"""Above it there is little to win, and the others would wait for the reading."""
_MAX_FAST_BYTES = 32 * 1024 * 1024
"""Larger bodies are read by the application, which knows the limit."""
HEAD_SECONDS = 15.0
"""How long a client may take to send a request's head."""
IDLE_SECONDS = 75.0
"""How long a client may take to send its next request."""
_CLOSE_SECONDS = 0.2
"""How long to read on from a client that is being cut off, so that it gets to see the answer."""
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
_EXPECT = re.compile(rb"\r\nexpect:", re.IGNORECASE)


class Connection:
    """A socket, what has been read from it and not used, and when its client must have sent something."""

    def __init__(
        self,
        client: socket.socket,
        address: Any,
        server: Any,
        settings: Any,
        *,
        collect: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.socket = client
        self.address = address
        self.server = server
        self.bit = 0
        """Of its place among the worker's kept connections behind nginx; 0 is none."""
        self.data = b""
        """What has arrived of requests that no parser has begun."""
        self._head: Head | None = None
        """Of the request that `data` begins with, once it has been read."""
        self._body: memoryview | None = None
        """Of the same, where it did not come along with the head."""
        self._settings = settings
        self._parser: Any = None
        self._collect = collect
        self._clock = clock
        self._finished = False
        self._closing: select.poll | None = None
        self.deadline = clock() + HEAD_SECONDS

    def receive(self, *, wait: bool = False) -> bool:
        """Read what has arrived, or what comes first; returns whether there is something to do.

        With `collect` that is a whole head, with as much of the body as is worth collecting, or the end
        of the connection: the parser, which waits for what it lacks, is not held up by a slow client.
        """
        if self._collect and not self.data:
            self.deadline = self._clock() + HEAD_SECONDS
        try:
            data = self.socket.recv(_PIECE, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.data = self.data + data if self.data else data
        return not (data and self._collect) or self.has_request()

    def has_request(self) -> bool:
        """Tell whether enough of a request has arrived to go on without waiting for its client."""
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
        """Tell whether the next request is here, is small, and may be predicted together with others."""
        head = self._head = self._head or read_head(self.data)
        return (
            head is not None
            and head.length <= MAX_BATCHED_BYTES
            and head.size + head.length <= len(self.data)
            and not is_retry(head.environ)
        )

    def read_body(self) -> bool:
        """Wait for the body where `take_lean` can take the next request; otherwise leave it to `take`.

        Raises OSError where the other side is gone.
        """
        head = self._head = self._head or read_head(self.data)
        if head and head.length > _MAX_FAST_BYTES:
            head = self._head = None
        missing = head.size + head.length - len(self.data) if head else 0
        if missing <= 0:
            return head is not None
        if self._collect:
            self._head = None
            return False  # a client, and no nginx: its body comes when it comes
        assert head is not None
        self._body = _make_buffer(head.length)
        self._receive_into(self._body, self.data[head.size :])
        return True

    def take_parsed(self) -> tuple[Head, bytes | memoryview]:
        """Take the next request, which is here with its body."""
        head, data, body = self._head, self.data, self._body
        assert head is not None
        end = head.size + head.length
        self._head, self._body, self.data, self._finished = None, None, data[end:], True
        return head, data[head.size : end] if body is None else body

    def _receive_into(self, body: memoryview, begun: bytes) -> None:
        """Wait for the rest of a body: megabytes, which are copied nowhere else."""
        body[: len(begun)] = begun
        rest = body[len(begun) :]
        while rest:
            count = self.socket.recv_into(rest, 0, socket.MSG_WAITALL)
            if not count:
                raise ConnectionResetError
            rest = rest[count:]

    def take(self) -> Any:
        """Take the next request by gunicorn's parser; raises StopIteration where there is none."""
        if self._parser is None:
            # nginx has refused what RFC 9112 does not allow, and written everything anew.
            parser = StrictParser if self._collect else RequestParser
            self._parser = parser(self._settings, self.socket, self.address)
        self._parser.unreader.buf.write(self.data)
        self.data = b""
        self._finished = False
        return next(self._parser)

    def has_body(self) -> bool:
        """Tell whether the body of the request taken has arrived, so that the next request can be found.

        Whatever the application leaves of it is skipped then without waiting for the client.
        """
        body, rest = self._parser.mesg.body, self._parser.unreader.buf.getvalue()
        if getattr(body, "failed", False) or (not rest and self._has_ended()):
            return False
        if isinstance(body.reader, ChunkedReader):
            return body.reader.parser is None or _LAST_CHUNK in rest
        return getattr(body.reader, "length", 0) <= len(rest)

    def _has_ended(self) -> bool:
        """Tell whether the client has closed its direction, so that there is no next request."""
        seconds = self.socket.gettimeout()
        self.socket.settimeout(0)
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
        """Tell whether the other side has closed, so that nobody waits for the answer.

        Both directions must be closed: a client may send its request, close its own direction, and
        still read the answer.
        """
        if self._closing is None:
            self._closing = select.poll()
            self._closing.register(self.socket, 0)  # POLLHUP and POLLERR are always reported
        return bool(self._closing.poll(0))

    def finish_request(self) -> bool:
        """Skip what the application has left of the body; returns whether the next request can be read."""
        if getattr(self._parser.mesg.body.reader, "length", None) == 0:
            self._finished = True  # the usual case, without a system call
        else:
            try:
                self._finished = self._parser.finish_body(deadline=time.monotonic() + _CLOSE_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it is, the connection is of no further use
                self._finished = False
        self.data = self._parser.unreader.take_buffered()
        return self._finished

    def close(self) -> None:
        """Close, so that the client can read the answer that it was sent."""
        if self._finished and self.socket.family == socket.AF_UNIX:
            # Nothing is left to read, and what was sent stays readable. There may be a duplicate.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
        else:
            util.close_graceful(self.socket, timeout=_CLOSE_SECONDS)


def _make_buffer(size: int) -> memoryview:
    """Return memory for a body: not a bytearray, which would be filled with zeros only to be overwritten."""
    import numpy as np  # noqa: PLC0415 - an application of the user's may do without it, and start sooner

    return np.empty(size, np.uint8).data
