"""Tests of the connections to containers, in an event loop of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from tests.local.gateway.servers import Received, Said, container
from tests.support import wait_until

from mlberth_local.gateway.proxy.server_pool import (
    NoReplyError,
    NotTakenError,
    Reply,
    ServerPool,
)

HEAD = b"POST /invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"


def run(port: int, work: Callable[[ServerPool], Awaitable[None]]) -> None:
    """Run a coroutine with a pool, in the event loop that the gateway has."""

    async def whole() -> None:
        pool = ServerPool(port, set())
        try:
            await asyncio.wait_for(work(pool), 20)
        finally:
            pool.close()
            await asyncio.sleep(0.01)  # connections are closed by the loop

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(whole())
    finally:
        loop.close()


def test_a_request_that_crosses_the_servers_close_is_sent_again() -> None:
    """The server has closed a connection before it got our request: it may be repeated."""

    async def work(pool: ServerPool) -> None:
        await pool.exchange(HEAD, b"1", 5)
        # The loop does not see the end of the connection: it is kept busy until it is there.
        wait_until(lambda: one.closed == 1)
        assert (await pool.exchange(HEAD, b"2", 5)).body == b"2"

    with container(close_after=True) as one:
        run(one.port, work)
        assert [request.body for request in one.received] == [b"1", b"2"]


def test_a_request_that_was_read_is_not_sent_again() -> None:
    """A server that has read a request on a kept connection, and dies, may have done what was asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            received.append(connection.recv(10_000))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            received.append(connection.recv(10_000))

    thread = threading.Thread(target=serve)
    thread.start()

    async def work(pool: ServerPool) -> None:
        await pool.exchange(HEAD, b"1", 5)
        with pytest.raises(NoReplyError):
            await pool.exchange(HEAD, b"2", 5)

    run(listening.getsockname()[1], work)
    thread.join(5)
    listening.close()
    assert received == [HEAD + b"1", HEAD + b"2"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Reply(200, {}, b"until the end")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Reply(200, {b"transfer-encoding": b"chunked"}, b"abc"),
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na",
            Reply(201, {b"content-length": b"1"}, b"a"),
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Reply(204, {}, b"")),
        (b"SSH-2.0-OpenSSH_9.6\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", None),
    ],
    ids=["http-1.0", "chunked", "interim", "no-content", "not-http", "cut"],
)
def test_forms_of_responses(raw: bytes, expected: Reply | None) -> None:
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(raw)

    thread = threading.Thread(target=serve)
    thread.start()

    async def work(pool: ServerPool) -> None:
        exchange = pool.exchange(HEAD, b"1", 5)
        if expected is not None:
            assert await exchange == expected
            return
        with pytest.raises(NoReplyError):
            await exchange

    run(listening.getsockname()[1], work)
    thread.join(5)
    listening.close()


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    async def work(pool: ServerPool) -> None:
        with pytest.raises(NotTakenError, match=f"port {port}"):
            await pool.exchange(HEAD, b"1", 5)

    run(port, work)


def test_a_closed_pool_keeps_no_connection() -> None:
    """An instance that leaves is let go at once, and not after its connections' idle time."""
    release, begun = threading.Event(), threading.Event()

    def wait(request: Received) -> Said:
        begun.set()
        release.wait(5)
        return Said(request.body)

    async def work(pool: ServerPool) -> None:
        exchange = asyncio.ensure_future(pool.exchange(HEAD, b"1", 5))
        await asyncio.to_thread(begun.wait, 5)
        pool.close()
        release.set()
        assert (await exchange).body == b"1"
        while not one.closed:
            await asyncio.sleep(0.001)

    with container(wait) as one:
        run(one.port, work)
