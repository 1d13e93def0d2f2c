"""The daemon's connection to the gateway's control socket: questions from any thread, events in its own."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerInTimeError
from contextlib import suppress
from typing import Any

from mlberth_local.gateway.base import GatewayError
from mlberth_local.gateway.messages import Decoder, Message, encode, receive, send_start


class Link:
    """A connection; `on_event` gets what the gateway says unasked, `on_end` is called once at its end."""

    def __init__(
        self, one: socket.socket, on_event: Callable[[Message], None], on_end: Callable[[Link], None]
    ) -> None:
        self._socket = one
        self._on_event = on_event
        self._on_end = on_end
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Message]] = {}
        self._ended = threading.Event()
        self._closing = False
        one.settimeout(None)
        threading.Thread(target=self._read, name="gateway", daemon=True).start()

    def tell(self, fields: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        """Send a message that has no answer. Raises `GatewayError`."""
        message = Message(fields, descriptors=descriptors)
        content = memoryview(encode(message))
        try:
            with self._sending:
                sent = send_start(self._socket, content, descriptors)
                self._socket.sendall(content[sent:])
        except OSError as error:
            raise GatewayError(f"the gateway is gone: {error}") from error

    def ask(self, fields: dict[str, Any], seconds: float, descriptors: tuple[int, ...] = ()) -> Message:
        """Send a message and return its answer, whose descriptors are the caller's. Raises `GatewayError`."""
        number = next(self._numbers)
        future = self._waiting[number] = Future()
        try:
            if self._ended.is_set():
                raise GatewayError("the gateway is gone")
            self.tell({"id": number, **fields}, descriptors)
            found = future.result(seconds)
        except NoAnswerInTimeError:
            raise GatewayError(f"the gateway did not answer to {fields['do']!r} in {seconds:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if "error" in found.fields:
            raise GatewayError(f"the gateway failed at {fields['do']!r}: {found.fields['error']}")
        return found

    def close(self) -> None:
        """Close the connection; nobody is told of this end."""
        self._closing = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        decoder = Decoder()
        while True:
            try:
                content, descriptors = receive(self._socket)
            except OSError:
                content, descriptors = b"", []
            if not content:
                break
            for message in decoder.feed(content, descriptors):
                self._take(message)
        decoder.close()
        self._ended.set()
        self._socket.close()
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(GatewayError("the gateway ended before it answered"))
        if not self._closing:
            self._on_end(self)

    def _take(self, message: Message) -> None:
        number = message.fields.get("id")
        if number is None:
            self._on_event(message)
            return
        future = self._waiting.get(number)
        if future is not None:
            future.set_result(message)
        else:  # it came too late
            for one in message.descriptors:
                os.close(one)
