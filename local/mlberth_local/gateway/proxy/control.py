"""The gateway's side of its control socket: what the daemon tells it, and what it gives the daemon."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from mlberth_local.gateway.messages import Decoder, Message, encode, receive, send_start

Handler = Callable[["ControlConnection", Message], Awaitable[dict[str, Any] | None]]
"""Carries out a message; returns what is answered."""


class ControlConnection:
    """A connection of a daemon, or of a command. Both ways it has messages with descriptors."""

    def __init__(
        self, one: socket.socket, handler: Handler, closed: Callable[[ControlConnection], None]
    ) -> None:
        one.setblocking(False)
        self._socket = one
        self._handler = handler
        self._on_close = closed
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._out: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._writing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False
        self._loop.add_reader(one, self._readable)

    def send(self, message: Message) -> None:
        """Send a message; its descriptors are closed here when they have gone."""
        if self.closed:
            _close(message.descriptors)
            return
        self._out.append((memoryview(encode(message)), message.descriptors))
        self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                content, descriptors = self._out[0]
                sent = send_start(self._socket, content, descriptors)
                _close(descriptors)
                if sent == len(content):
                    self._out.popleft()
                else:
                    self._out[0] = (content[sent:], ())
        except BlockingIOError:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket, self._flush)
            return
        except OSError:
            self.close()
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        try:
            content, descriptors = receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            content, descriptors = b"", []
        if not content:
            self.close()
            return
        for message in self._decoder.feed(content, descriptors):
            task = self._loop.create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: Message) -> None:
        try:
            found = await self._handler(self, message)
        except Exception as error:  # noqa: BLE001 - who asked is told
            found = {"error": f"{type(error).__name__}: {error}"}
        if "id" in message.fields:
            self.answer(message, found or {})

    def answer(self, message: Message, fields: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Answer a message."""
        self.send(Message({"id": message.fields["id"], **fields}, descriptors=descriptors))

    def close(self) -> None:
        """Close the connection."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket)
        if self._writing:
            self._loop.remove_writer(self._socket)
        self._socket.close()
        self._decoder.close()
        while self._out:
            _close(self._out.popleft()[1])
        self._on_close(self)


def _close(descriptors: tuple[int, ...]) -> None:
    for one in descriptors:
        os.close(one)
