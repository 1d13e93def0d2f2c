"""Tests of who a client is, with a connection as one from a container's network would be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.proxy.process import GatewayProcess

REQUEST = b"POST /endpoints/e/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1"


class Connection(asyncio.Transport):
    """A connection that keeps what it is given to send."""

    def __init__(self, peer: object) -> None:
        super().__init__({"peername": peer})
        self.sent = b""

    def is_closing(self) -> bool:
        """Return False."""
        return False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.sent += data


@pytest.mark.parametrize(
    ("peer", "answer"),
    [
        (("172.17.0.2", 40000), b"HTTP/1.1 403 Forbidden\r\n"),
        (("127.0.0.1", 40000), b"HTTP/1.1 400 Bad Request\r\n"),
        ("", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
    ids=["container", "loopback", "unix"],
)
def test_a_container_must_sign(tmp_path: Path, peer: object, answer: bytes) -> None:
    """It learns nothing without; who is on the loopback is told that there is no such endpoint."""

    async def work() -> bytes:
        gateway = GatewayProcess(Places(tmp_path), tmp_path / "keys.json", Limits())
        connection = gateway._front.connection()
        transport = Connection(peer)
        connection.connection_made(transport)
        connection.data_received(REQUEST)
        await connection._task
        return transport.sent

    sent = asyncio.run(work())
    assert sent.startswith(answer)
    assert (b"not found" in sent) == (b"403" not in answer)
