"""One TCP connection between two agents: messages as lines of JSON, never waited for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

from mlberth._typing import typing

Message = dict[str, typing.Any]
BEAT_SECONDS = 2.0
SILENCE_SECONDS = 15.0
"""After so long without a word, the other host is lost."""
_CHUNK = 65536
_LARGEST = 1024 * 1024  # a record has 80 KB of standard error, and some more as JSON


class Connection:
    """Messages to and from one host. `problem` says why it is of no use any more."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._clock = clock
        self._received = b""
        self._unsent = b""
        self._heard = self._beaten = clock()
        self.problem = ""

    def send(self, message: Message) -> None:
        """Send a message, as soon as the network takes it."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self._flush()

    @property
    def is_congested(self) -> bool:
        """Whether so much waits to be sent that what can wait should."""
        return len(self._unsent) > _CHUNK

    def step(self) -> list[Message]:
        """Send what is due, and return the messages that have arrived."""
        now = self._clock()
        if now - self._beaten >= BEAT_SECONDS and not self.problem:
            self._beaten = now
            self.send({"kind": "beat", "time": time.time()})
        self._flush()
        self._read()
        if now - self._heard > SILENCE_SECONDS and not self.problem:
            self.problem = f"no sign of life for {SILENCE_SECONDS:g} s"
        *lines, self._received = self._received.split(b"\n")
        if len(self._received) > _LARGEST:
            self.problem = "a message without an end"
        return self._parsed(lines)

    def close(self, linger: float = 0.0) -> None:
        """Close the connection; what is not sent yet has `linger` seconds."""
        if self._unsent and linger and not self.problem:
            self._sock.settimeout(linger)
            try:
                self._sock.sendall(self._unsent)
            except OSError:
                self.problem = "it takes no messages"
        self._sock.close()

    def _parsed(self, lines: list[bytes]) -> list[Message]:
        messages = []
        for line in lines:
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                self.problem = "something that is no message of `train`"
                break
            messages.append(message)
        return messages

    def _read(self) -> None:
        try:
            while not self.problem and len(self._received) <= _LARGEST:
                chunk = self._sock.recv(_CHUNK)
                if not chunk:
                    self.problem = "it closed its connection"
                self._received += chunk
                self._heard = self._clock()
        except BlockingIOError:
            return
        except OSError as error:
            self.problem = f"the connection to it broke ({error.strerror or error})"

    def _flush(self) -> None:
        try:
            while self._unsent and not self.problem:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self.problem = f"the connection to it broke ({error.strerror or error})"
