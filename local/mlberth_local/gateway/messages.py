"""The messages between the daemon and the gateway: JSON, some bytes, and descriptors, over a Unix socket."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from typing import Any

_HEAD = struct.Struct("!IIB")
"""How long the JSON is, how long the bytes are, how many descriptors there are."""
PIECE = 1 << 16
"""How much is read at a time, in bytes."""
MOST_DESCRIPTORS = 16
"""In one message."""


@dataclass(frozen=True)
class Message:
    """One message. Who receives it owns its descriptors."""

    fields: dict[str, Any]
    payload: bytes = b""
    descriptors: tuple[int, ...] = field(default=())


def encode(message: Message) -> bytes:
    """Return the bytes of a message. Its descriptors go along with the first of them."""
    text = json.dumps(message.fields).encode()
    return _HEAD.pack(len(text), len(message.payload), len(message.descriptors)) + text + message.payload


def send_start(one: socket.socket, content: bytes | memoryview, descriptors: tuple[int, ...]) -> int:
    """Send what the socket takes, with descriptors; returns how many bytes it took."""
    if not descriptors:
        return one.send(content)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
    return one.sendmsg([content], [rights])


def receive(one: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next bytes and descriptors; no bytes at the end of the connection."""
    content, descriptors, _, _ = socket.recv_fds(one, PIECE, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    return content, descriptors


class Decoder:
    """Makes messages of what comes in: descriptors belong to messages in the order of both."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._descriptors: deque[int] = deque()

    def feed(self, content: bytes, descriptors: list[int]) -> list[Message]:
        """Return the messages that are whole now."""
        self._content += content
        self._descriptors.extend(descriptors)
        found = []
        while len(self._content) >= _HEAD.size:
            text, payload, count = _HEAD.unpack_from(self._content)
            end = _HEAD.size + text + payload
            if len(self._content) < end:
                break
            body = bytes(self._content[_HEAD.size : end])
            del self._content[:end]
            mine = tuple(self._descriptors.popleft() for _ in range(count))
            found.append(Message(json.loads(body[:text]), body[text:], mine))
        return found

    def close(self) -> None:
        """Close the descriptors of messages that did not come whole."""
        while self._descriptors:
            os.close(self._descriptors.popleft())
