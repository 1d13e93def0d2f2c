"""Tests of the WebSocket to a container, in a loop of this process."""

from __future__ import annotations

import asyncio

import pytest
from tests.local.gateway.duplex.web_sockets import socket_container
from tests.support import free_port
from websockets.frames import Opcode

from mlberth_local.gateway.duplex.container import ContainerSocket, RefusedError, open_socket
from mlberth_local.gateway.duplex.session import MOST_MISSED, watch
from mlberth_local.gateway.proxy.server_pool import NotTakenError


async def read(socket: ContainerSocket) -> None:
    """Read all frames."""
    async for _ in socket.frames():
        pass


def test_pings_that_are_answered() -> None:
    """As long as they are, the container counts as alive."""

    async def work() -> None:
        with socket_container() as one:
            socket = await open_socket(one.port, "/x", {})
            reading = asyncio.ensure_future(read(socket))
            watching = asyncio.ensure_future(watch(socket, 0.2))
            while [frame.opcode for frame in one.frames].count(Opcode.PING) <= 2 * MOST_MISSED:
                assert not watching.done()
                await asyncio.sleep(0.01)
            watching.cancel()
            reading.cancel()
            socket.abort()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_pings_that_nobody_answers() -> None:
    async def work() -> None:
        with socket_container() as one:
            one.reads.clear()
            socket = await open_socket(one.port, "/x", {})
            reading = asyncio.ensure_future(read(socket))
            await watch(socket, 0.01)
            assert socket.missed_pings == MOST_MISSED
            reading.cancel()
            socket.abort()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_who_is_no_web_socket() -> None:
    """The status and the body of a server's answer; nobody who listens is told apart."""
    with socket_container() as one:
        one.refuse = 404
        with pytest.raises(RefusedError) as caught:
            asyncio.run(open_socket(one.port, "/x", {}))
    assert (caught.value.status, caught.value.body) == (404, b"no\n")
    with pytest.raises(NotTakenError):
        asyncio.run(open_socket(free_port(), "/x", {}))
