"""Bytes to a server and whatever comes back, over many connections at once."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

PATIENCE = 0.3
"""How long a server may say nothing before the sending direction is closed, in seconds."""
LONGEST = 60.0
"""How long it may say nothing after that, which takes milliseconds where nothing else is done."""
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_START = b"HTTP/1.1 "


class Answer(NamedTuple):
    """One answer; `head` is without the empty line."""

    status: int
    head: bytes
    body: bytes


@dataclass(eq=False)
class Conversation:
    """What is sent on one connection, piece by piece, and what came back until the server closed it."""

    connect: Callable[[], socket.socket]
    pieces: list[bytes]
    patience: float = PATIENCE
    received: bytes = b""
    reset: bool = False
    """Whether the connection was cut rather than closed."""
    hung: bool = False
    """Whether the server left the connection open, with nothing more to come."""
    answers: list[Answer] = field(default_factory=list)
    problem: str = ""
    """What in the received bytes is no HTTP."""

    def open(self) -> None:
        """Connect and send the first piece."""
        self.socket = self.connect()
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._waiting = b""
        self._left = list(reversed(self.pieces))
        self._is_shut = False
        self.deadline = time.monotonic() + self.patience
        self.send()

    def send(self) -> None:
        """Send what the socket takes; each call begins one more piece."""
        if not self._waiting and self._left:
            self._waiting = self._left.pop()
        try:
            while self._waiting:
                self._waiting = self._waiting[self.socket.send(self._waiting) :]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting, self._left = b"", []  # the answer may be there all the same

    @property
    def is_sending(self) -> bool:
        """Whether anything is still to be sent."""
        return bool(self._waiting or self._left)

    def receive(self) -> bool:
        """Read what is there; returns whether the server has ended the connection."""
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return False
        except OSError:
            self.reset = True
            return True
        self.received += data
        self.deadline = time.monotonic() + (LONGEST if self._is_shut else self.patience)
        return not data

    def is_over(self, now: float) -> bool:
        """Close the sending direction after the patience, and give up long after that."""
        if now < self.deadline:
            return False
        self.hung = self._is_shut
        if not self._is_shut:
            self._is_shut, self.deadline = True, now + LONGEST
            self._waiting, self._left = b"", []
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.reset = True
                return True
        return self.hung

    def close(self) -> Conversation:
        """Close, and read the answers."""
        self.socket.close()
        self.answers, self.problem = split(self.received)
        if self.reset and self.problem.startswith("cut"):
            self.problem = ""  # a reset takes what was on its way along
        if self.hung:
            self.problem = "the connection stays open"
        return self


def converse(conversations: Iterable[Conversation], parallel: int = 48) -> Iterator[Conversation]:
    """Hold conversations, `parallel` of them at a time, and yield each when its connection has ended."""
    waiting = iter(conversations)
    open_ones: dict[int, Conversation] = {}
    with select.epoll() as poll:
        while True:
            for following in islice(waiting, parallel - len(open_ones)):
                following.open()
                open_ones[following.socket.fileno()] = following
                poll.register(following.socket, select.EPOLLIN | select.EPOLLOUT)
            if not open_ones:
                return
            events = poll.poll(0.02)
            ended = {number for number, event in events if _go_on(open_ones[number], event, poll)}
            now = time.monotonic()
            ended.update(number for number, talk in open_ones.items() if talk.is_over(now))
            for number in ended:
                yield open_ones.pop(number).close()


def _go_on(talk: Conversation, event: int, poll: select.epoll) -> bool:
    """Send and receive what can be now; returns whether the server has ended the connection."""
    if event & select.EPOLLOUT:
        talk.send()
        if not talk.is_sending:
            poll.modify(talk.socket, select.EPOLLIN)
    return bool(event & ~select.EPOLLOUT) and talk.receive()


def split(data: bytes) -> tuple[list[Answer], str]:
    """Return the answers in what a server has sent, and what is wrong with the rest of it."""
    found: list[Answer] = []
    while data:
        if not data.startswith(_START) or not data[9:12].isdigit():
            return found, f"no HTTP: {data[:80]!r}"
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            return found, f"cut: {data[:80]!r}"
        status = int(head[9:12])
        length = _LENGTH.search(head + b"\r\n")
        # An answer to HEAD has a length and no body.
        size = 0 if status < 200 or not length or rest.startswith(_START) or not rest else int(length[1])
        if len(rest) < size:
            return found, f"cut: {data[:80]!r}"
        found.append(Answer(status, head, rest[:size]))
        data = rest[size:]
    return found, ""
