"""HTTP/2 with clients: each stream is an exchange, which is not read faster than it is taken."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes

_LOG = logging.getLogger("mlberth.gateway")
MOST_STREAMS = 100
"""Of a connection, at once."""
_CONNECTION_WINDOW = MOST_STREAMS * 65_535
"""So that streams whose containers take nothing do not stop the others of their connection."""
_STALLED_SECONDS = 60.0
"""A client that takes nothing for so long is given up."""


class ClientGoneError(Exception):
    """The client has given up its stream, or is gone."""


class Exchange:
    """A request, whose body comes in as its answer goes out."""

    def __init__(self, connection: Http2Connection, stream: int, headers: dict[bytes, bytes]) -> None:
        self.headers = headers
        """By name in lower case, with those of HTTP/2 itself (`:method`, `:path`, …)."""
        self._connection = connection
        self._stream = stream
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._has_ended = False
        self._is_gone = False
        self._changed = asyncio.Event()

    async def receive(self) -> bytes | None:
        """Return the next bytes of the body, None after the last. Raises ClientGoneError.

        The client may send more only after `took` was called for what it has sent.
        """
        while not self._chunks:
            if self._is_gone:
                raise ClientGoneError
            if self._has_ended:
                return None
            await self._wait()
        return self._chunks[0][0]

    def took(self) -> None:
        """Let the client send as much as the bytes were that were received last."""
        _, length = self._chunks.popleft()
        if length:
            self._connection.acknowledge(self._stream, length)

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the head of the answer. Raises ClientGoneError."""
        self._do(lambda: self._h2.send_headers(self._stream, [(":status", str(status)), *headers]))

    async def send(self, data: bytes) -> None:
        """Send a part of the answer, as soon as the client takes it. Raises ClientGoneError."""
        rest = memoryview(data)
        while rest:
            if self._is_gone:
                raise ClientGoneError
            room = min(self._window(), self._h2.max_outbound_frame_size, len(rest))
            if room > 0 and self._connection.is_writable:
                piece, rest = bytes(rest[:room]), rest[room:]
                self._do(lambda piece=piece: self._h2.send_data(self._stream, piece))  # type: ignore[misc]
                continue
            try:
                await asyncio.wait_for(self._wait(), _STALLED_SECONDS)
            except asyncio.TimeoutError:
                self.reset()
                raise ClientGoneError from None

    def end(self) -> None:
        """End the answer; what the client still sends is not of interest."""
        if not self._is_gone:
            self._do(lambda: self._h2.end_stream(self._stream))
            if not self._has_ended:
                self._do(lambda: self._h2.reset_stream(self._stream, ErrorCodes.NO_ERROR))

    def reset(self) -> None:
        """Cut the stream off."""
        if not self._is_gone:
            self._is_gone = True
            self._do(lambda: self._h2.reset_stream(self._stream, ErrorCodes.INTERNAL_ERROR))

    @property
    def _h2(self) -> H2Connection:
        return self._connection.h2

    def _window(self) -> int:
        try:
            return self._h2.local_flow_control_window(self._stream)
        except (ProtocolError, KeyError):
            return 0

    def _do(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (ProtocolError, StreamClosedError) as error:
            self._is_gone = True
            raise ClientGoneError from error
        self._connection.flush()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def close(self) -> None:
        """Forget the exchange: what nobody has read of it counts as read."""
        self._connection.forget(self._stream)
        while self._chunks:
            self.took()

    def note_data(self, data: bytes, length: int) -> None:
        """Take bytes of the body, which are `length` by the count of HTTP/2."""
        self._chunks.append((data, length))
        self._changed.set()

    def note_end(self) -> None:
        """Note that the body is whole."""
        self._has_ended = True
        self._changed.set()

    def note_gone(self) -> None:
        """Note that the client is gone."""
        self._is_gone = True
        self._changed.set()

    def note_room(self) -> None:
        """Note that there may be room for more."""
        self._changed.set()


class Http2Connection(asyncio.Protocol):
    """A connection of a client; `answer` is called with each exchange."""

    def __init__(self, answer: Callable[[Exchange, bool], None], connections: set[Http2Connection]) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=False))
        self.used = monotonic()
        self.is_writable = True
        self._answer = answer
        self._connections = connections
        self._exchanges: dict[int, Exchange] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind, over TLS
        self._connections.add(self)
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS})
        self.h2.increment_flow_control_window(_CONNECTION_WINDOW)
        self.flush()

    @property
    def is_idle(self) -> bool:
        """Whether it has no exchange."""
        return not self._exchanges

    def data_received(self, data: bytes) -> None:
        """Take what a client sends."""
        self.used = monotonic()
        try:
            events = self.h2.receive_data(data)
        except ProtocolError as error:
            _LOG.warning("a client of streams in both directions broke the protocol: %s", error)
            self.flush()  # says so
            self.close()
            return
        for event in events:
            self._take(event)
        for exchange in list(self._exchanges.values()):
            exchange.note_room()
        self.flush()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = {bytes(name): bytes(value) for name, value in event.headers}
            exchange = self._exchanges[event.stream_id] = Exchange(self, event.stream_id, headers)
            peer = self._transport.get_extra_info("peername")
            self._answer(exchange, bool(peer) and peer[0] == "127.0.0.1")
        elif isinstance(event, ConnectionTerminated):
            self.close()
        elif isinstance(event, (DataReceived, StreamEnded, StreamReset)):
            known = self._exchanges.get(event.stream_id)
            if isinstance(event, DataReceived):
                if known:
                    known.note_data(event.data, event.flow_controlled_length)
                else:  # of an exchange that is over
                    self.acknowledge(event.stream_id, event.flow_controlled_length)
            elif known and isinstance(event, StreamEnded):
                known.note_end()
            elif known:
                known.note_gone()

    def acknowledge(self, stream: int, length: int) -> None:
        """Let the client send more."""
        try:
            self.h2.acknowledge_received_data(length, stream)
        except (ProtocolError, ValueError):
            return  # it is over
        self.flush()

    def forget(self, stream: int) -> None:
        """Keep an exchange that is over no longer."""
        self._exchanges.pop(stream, None)

    def flush(self) -> None:
        """Send what there is to send."""
        data = self.h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        """Note that the client's socket is full."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self.is_writable = True
        for exchange in list(self._exchanges.values()):
            exchange.note_room()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - as asyncio has it
        """Tell all exchanges."""
        self._connections.discard(self)
        for exchange in list(self._exchanges.values()):
            exchange.note_gone()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()
