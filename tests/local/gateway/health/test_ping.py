"""Tests of one health check, against real servers."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from tests.local.gateway.servers import container
from tests.support import free_port

from mlberth_local.gateway.health.ping import ping


def test_servers_that_answer() -> None:
    """200 passes; the text says what anything else was."""
    with container() as one:
        assert asyncio.run(ping(one.port, 30)) is None
        one.ping = 503
        found = asyncio.run(ping(one.port, 30))
    assert found is not None
    assert (found.text, found.is_silent) == ("It answered /ping with 503", False)


def test_a_server_that_hangs() -> None:
    """Its kernel takes the connection; nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as hung:
        found = asyncio.run(ping(hung.getsockname()[1], 0.05))
    assert found is not None
    assert (found.text, found.is_silent) == ("It did not answer /ping within 0.05 s", True)


def test_nobody_listens() -> None:
    found = asyncio.run(ping(free_port(), 30))
    assert found is not None
    assert not found.is_silent


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 OK\r\n", b"HTTP/1.1"])
def test_what_is_no_response(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            one, _ = other.accept()
            with one:
                one.recv(1 << 16)
                one.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        found = asyncio.run(ping(other.getsockname()[1], 30))
        thread.join(30)
    assert found is not None
    assert found.text.startswith("It did not answer /ping: ")
    assert not found.is_silent
