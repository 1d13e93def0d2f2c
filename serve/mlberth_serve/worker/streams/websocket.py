"""A WebSocket as a session: wsproto reads and writes the frames; nothing is compressed, merged or split.

Source: RFC 6455. All of it runs in the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from mlberth_serve.handler.session import Frame, Session, SessionClosedError
from mlberth_serve.worker.http.connection import Connection

NORMAL, GOING_AWAY, ABNORMAL, POLICY, TOO_LARGE, FAILED = 1000, 1001, 1006, 1008, 1009, 1011
_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""What a close frame may say (RFC 6455, section 7.4)."""
_REASON_BYTES = 123
_READ_BYTES = 65536
_QUEUED_FRAMES = 32
"""Which the handler has not taken; then its client waits."""


class WebSocket(Session):
    """The session as the handler has it."""

    def __init__(self, connection: Connection, model: Any, max_bytes: int | None) -> None:
        from wsproto.connection import Connection as Protocol
        from wsproto.connection import ConnectionType

        self.model = model
        self.sent = 0
        """Bytes of messages."""
        self.left = asyncio.Event()
        """Set when the server stops."""
        self.heard = self.pinged = time.monotonic()
        self._socket = connection.socket
        self._begun, connection.data = connection.data, b""
        self._protocol = Protocol(ConnectionType.SERVER)
        self._max_bytes = max_bytes
        self._message_bytes = 0
        self._parts: list[Any] = []
        self._frames: deque[Frame] = deque()
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._open_kind: type | None = None
        self._is_over = self._is_closed = False

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the client's frames one by one; ends when it closes, or the server stops."""
        while True:
            while not self._frames:
                if self._is_over:
                    return
                self._arrived.clear()
                await self._arrived.wait()
            frame = self._frames.popleft()
            self._room.set()
            yield frame

    async def send(self, data: str | bytes, *, is_last: bool = True) -> None:
        """Send one frame, str as text; waits while the client takes nothing."""
        from wsproto.events import BytesMessage, TextMessage

        kind = str if isinstance(data, str) else bytes
        if not isinstance(data, str | bytes | bytearray | memoryview):
            raise TypeError(f"a session sends str or bytes, not a {type(data).__name__}")
        if self._open_kind not in (None, kind):
            raise TypeError(f"the message began as {self._open_kind}, and cannot go on as {kind}")
        self._open_kind = None if is_last else kind
        event = (
            TextMessage(data, message_finished=is_last)
            if isinstance(data, str)
            else BytesMessage(bytes(data), message_finished=is_last)
        )
        await self._send(event)
        self.sent += len(data)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """End the session; nothing happens if it has ended."""
        from wsproto.events import CloseConnection

        if code not in _CODES:
            raise ValueError(f"{code!r} as the code of a close frame; expected 1000 or 3000 to 4999")
        if self._is_closed:
            return
        cut = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        await self._send(CloseConnection(code, cut))
        self._is_closed = True
        self._end()

    async def ping(self) -> None:
        """Ask the client for a sign of life."""
        from wsproto.events import Ping

        self.pinged = time.monotonic()
        await self._send(Ping())

    def leave(self) -> None:
        """Let the handler's iteration end, since the server stops."""
        self.left.set()
        self._end()

    async def read_all(self) -> None:
        """Take what the client sends, until it closes or is gone."""
        loop, data = asyncio.get_running_loop(), self._begun
        try:
            while True:
                if data:
                    self.heard = time.monotonic()
                    await self._take(data)
                if self.close_code is not None:
                    return
                data = await loop.sock_recv(self._socket, _READ_BYTES)
                if not data:
                    self.close_code = ABNORMAL
        except (OSError, SessionClosedError):
            self.close_code = self.close_code or ABNORMAL
        finally:
            self._is_closed = True
            self._end()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; raises SessionClosedError."""
        async with self._writing:
            try:
                await asyncio.get_running_loop().sock_sendall(self._socket, data)
            except OSError as error:
                self._is_closed = True
                raise SessionClosedError("the client is gone") from error

    async def _take(self, data: bytes) -> None:
        from wsproto.events import CloseConnection, Message, Ping
        from wsproto.frame_protocol import ParseFailed

        self._protocol.receive_data(data)
        try:
            for event in self._protocol.events():
                if isinstance(event, Message):
                    await self._take_part(event)
                elif isinstance(event, Ping):
                    await self._send(event.response())
                elif isinstance(event, CloseConnection):
                    self.close_code = event.code
                    if not self._is_closed:
                        await self._send(event.response())
                if self.close_code is not None:
                    return
        except ParseFailed as error:
            await self._fail(error.code, str(error))

    async def _take_part(self, event: Any) -> None:
        """Take what has arrived of a frame."""
        self._message_bytes += len(event.data.encode() if isinstance(event.data, str) else event.data)
        if self._max_bytes is not None and self._message_bytes > self._max_bytes:
            await self._fail(TOO_LARGE, f"A message has more than {self._max_bytes} bytes.")
            return
        self._parts.append(event.data)
        if not event.frame_finished:
            return
        parts, self._parts = self._parts, []
        self._frames.append(
            Frame(parts[0] if len(parts) == 1 else type(parts[0])().join(parts), event.message_finished)
        )
        if event.message_finished:
            self._message_bytes = 0
        self._arrived.set()
        while len(self._frames) >= _QUEUED_FRAMES and not self._is_over:
            self._room.clear()
            await self._room.wait()

    async def _fail(self, code: int, reason: str) -> None:
        self.close_code = int(code)
        await self.close(int(code), reason)

    async def _send(self, event: Any) -> None:
        from wsproto.utilities import LocalProtocolError

        if self._is_closed:
            raise SessionClosedError("the session is closed")
        try:
            data = self._protocol.send(event)
        except LocalProtocolError as error:
            raise SessionClosedError("the session is closed") from error
        await self.write(data)

    def _end(self) -> None:
        self._is_over = True
        self._arrived.set()
        self._room.set()
