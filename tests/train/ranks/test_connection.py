"""Messages between two agents over a real socket."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from tests.support import wait_until

from mlberth_train.ranks.connection import SILENCE_SECONDS, Connection, Message


class Pair:
    """Both ends of a connection, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.other = socket.create_connection(server.getsockname())
            self.end = Connection(server.accept()[0], clock=lambda: self.now)

    def received(self) -> list[Message]:
        """Return the next messages that arrive."""
        found: list[Message] = []

        def arrived() -> bool:
            found.extend(self.end.step())
            return bool(found) or bool(self.end.problem)

        wait_until(arrived)
        return found


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return a connection whose other end is a plain socket."""
    both = Pair()
    yield both
    both.end.close()
    both.other.close()


def test_messages_arrive_whole(pair: Pair) -> None:
    """Whatever the chunks are."""
    pair.other.sendall(b'{"kind": "a"}\n{"kind"')
    assert pair.received() == [{"kind": "a"}]
    pair.other.sendall(b': "b"}\n')
    assert pair.received() == [{"kind": "b"}]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\n", b"\xff\n", b"[]\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_message_ends_the_connection(pair: Pair, sent: bytes) -> None:
    """It is a problem, and nothing of it is passed on."""
    pair.other.sendall(sent)
    assert pair.received() == []
    assert "no message" in pair.end.problem


def test_endless_line_ends_the_connection(pair: Pair) -> None:
    """Memory stays bounded."""
    pair.other.setblocking(False)
    chunk = b"x" * 65536

    def refused() -> bool:
        with contextlib.suppress(OSError):  # the pipe is full
            pair.other.send(chunk)
        pair.end.step()
        return bool(pair.end.problem)

    wait_until(refused)
    assert pair.end.problem == "a message without an end"


def test_silence_is_a_loss(pair: Pair) -> None:
    """A host that says nothing is given up after a while; each says that it lives."""
    pair.now = SILENCE_SECONDS - 1
    pair.end.step()
    assert pair.end.problem == ""
    assert b'"beat"' in pair.other.recv(1000)
    pair.now = SILENCE_SECONDS + 1
    pair.end.step()
    assert pair.end.problem == "no sign of life for 15 s"


def test_closed_connection_is_a_loss(pair: Pair) -> None:
    """It is known at once."""
    pair.other.close()
    assert pair.received() == []
    assert pair.end.problem == "it closed its connection"
