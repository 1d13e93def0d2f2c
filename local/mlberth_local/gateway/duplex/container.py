"""The WebSocket to a container, frame by frame: none is merged, split or encoded anew."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event, State
from websockets.uri import parse_uri

from mlberth_local.gateway.duplex.parts import Part
from mlberth_local.gateway.proxy.server_pool import CONNECT_SECONDS, NotTakenError

LARGEST_FRAME = 25 * 1024 * 1024
"""Of a container, in bytes, as of a response."""
_PIECE = 64 * 1024
_HANDSHAKE_SECONDS = 10.0
_LOG = logging.getLogger("mlberth.gateway")


class RefusedError(Exception):
    """The container has answered the handshake with something else than its consent; 0 is no answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class ContainerSocket:
    """A WebSocket that is open."""

    def __init__(
        self, protocol: ClientProtocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._protocol = protocol
        self._reader = reader
        self._writer = writer
        self._is_text = False
        self._goes_on = False
        """Whether the message that is being sent has had a frame already."""
        self._early: list[Event] = []
        """What came along with the answer to the handshake."""
        self._has_ended = False
        self.missed_pings = 0
        """How many pings have had no pong."""

    @property
    def close_code(self) -> int | None:
        """The code of the container's close frame; None if there was none."""
        received = self._protocol.close_rcvd
        return received.code if received else None

    @property
    def close_reason(self) -> str:
        """The reason in the container's close frame."""
        received = self._protocol.close_rcvd
        return received.reason if received else ""

    async def frames(self) -> AsyncGenerator[Part, None]:
        """Yield the container's frames, until it closes or is gone; fewer are read if nobody takes them."""
        while True:
            for event in self._early or self._protocol.events_received():
                assert isinstance(event, Frame)
                if event.opcode is Opcode.PONG:
                    self.missed_pings = 0
                elif event.opcode in DATA_OPCODES:
                    if event.opcode is not Opcode.CONT:
                        self._is_text = event.opcode is Opcode.TEXT
                    yield Part(bytes(event.data), self._is_text, event.fin)
            self._early = []
            if self._has_ended or self.close_code is not None:
                return
            await self._read()

    async def _read(self) -> None:
        data = await self._reader.read(_PIECE)
        if data:
            self._protocol.receive_data(data)
        else:
            self._has_ended = True
            self._protocol.receive_eof()
        self._flush()

    async def shake_hands(self) -> None:
        """Ask for a WebSocket, and wait for the container's consent. Raises RefusedError."""
        self._flush()
        while not (events := self._protocol.events_received()):
            if self._has_ended:
                raise RefusedError(0, b"it closed the connection before it answered")
            await self._read()
        answer, *self._early = events
        failure = self._protocol.handshake_exc
        if isinstance(failure, InvalidStatus):
            raise RefusedError(failure.response.status_code, bytes(failure.response.body or b""))
        if failure is not None or not isinstance(answer, Response):
            raise RefusedError(0, f"its answer to the handshake is none: {failure}".encode())

    async def send(self, part: Part) -> None:
        """Send one frame; waits as long as the container takes nothing."""
        if self._protocol.state is not State.OPEN:
            return  # the container has closed, and the client learns it
        if self._goes_on:
            self._protocol.send_continuation(part.data, part.is_last)
        elif part.is_text:
            self._protocol.send_text(part.data, part.is_last)
        else:
            self._protocol.send_binary(part.data, part.is_last)
        self._goes_on = not part.is_last
        self._flush()
        await self._writer.drain()

    def ping(self) -> None:
        """Ask the container for a sign of life."""
        self.missed_pings += 1
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: int) -> None:
        """Send a close frame; the container's own is still to come."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code)
            self._flush()

    def abort(self) -> None:
        """Close the connection."""
        self._writer.transport.abort()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and not self._writer.is_closing():
                self._writer.write(data)


async def open_socket(port: int, target: str, headers: dict[str, str]) -> ContainerSocket:
    """Open a WebSocket to a container. Raises NotTakenError if nobody listens, or RefusedError."""
    try:
        connecting = asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.wait_for(connecting, CONNECT_SECONDS)
    except (OSError, asyncio.TimeoutError) as error:
        raise NotTakenError(f"port {port}: {error or 'no connection in time'}") from error
    protocol = ClientProtocol(
        parse_uri(f"ws://127.0.0.1:{port}{target}"), max_size=(None, LARGEST_FRAME), logger=_LOG
    )
    request = protocol.connect()
    request.headers.update(headers)
    protocol.send_request(request)
    found = ContainerSocket(protocol, reader, writer)
    try:
        await asyncio.wait_for(found.shake_hands(), _HANDSHAKE_SECONDS)
    except asyncio.TimeoutError:
        found.abort()
        raise RefusedError(0, b"it did not answer the handshake in time") from None
    except BaseException:
        found.abort()
        raise
    return found
