"""Clients that are slow, vanish or come in crowds: what the others see of it, and what is left of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.load import (
    FAULTY,
    KEPT_FILES,
    LONG,
    PATIENCE,
    Load,
    Pings,
    busy_seconds,
    open_files,
    processes,
    quantile,
    report,
    unnoticed,
    wait_for_answers,
    workers,
)
from tests.serve.running import Server, children_of
from tests.support import wait_until

ANSWER_KB = 4096
"""More than the kernel's buffers and nginx's hold for a client that does not read."""
_HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"


pytestmark = pytest.mark.usefixtures("nginx")


def connect(server: Server, *, small: bool = False) -> socket.socket:
    """Return a connection, with next to no room for an answer where it is to be small."""
    client = socket.socket()
    if small:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", server.port))
    return client


def asking(size: int, body: bytes = b"") -> bytes:
    """Return a request's head, and as much of its body as is given."""
    return _HEAD + b"Content-Length: %d\r\n\r\n" % size + body


@contextlib.contextmanager
def slow_clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that send a byte a second, of a head or a body, or that never read their answer."""
    with contextlib.ExitStack() as stack:
        heads = [stack.enter_context(connect(server)) for _ in range(count * 2 // 5)]
        bodies = [stack.enter_context(connect(server)) for _ in range(count * 2 // 5)]
        readers = [stack.enter_context(connect(server, small=True)) for _ in range(count // 5)]
        for client in heads:
            client.sendall(_HEAD)
        for client in bodies:
            client.sendall(asking(10_000))
        # A few of them get a long answer: what nginx keeps for them is on the disk.
        for number, client in enumerate(readers):
            command = b"large %d" % (ANSWER_KB if number < 10 else 64)
            client.sendall(asking(len(command), command))
        ended = threading.Event()

        def trickle() -> None:
            while not ended.wait(1):
                for client in heads + bodies:
                    with contextlib.suppress(OSError):  # nginx gives up on them in time, as it should
                        client.send(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield heads + bodies + readers
        finally:
            ended.set()
            thread.join(PATIENCE)


def test_34_slow_clients_leave_the_others_alone(tmp_path: Path) -> None:
    """500 connections that trickle or do not read: every healthy request is answered, and none is late."""
    answers = 20_000 if LONG else 1000
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        with Load(server) as load:
            wait_for_answers(load, answers // 2)
            before = quantile(load.times, 0.99)
            with slow_clients(server, 500) as slow, Pings(server) as pings:
                wait_until(lambda: server.invoke("1").status == 200, timeout=PATIENCE)
                load.times.clear()
                wait_for_answers(load, answers)
                after = quantile(load.times, 0.99)
    unnoticed(f"{len(slow)} slow clients", load, pings, p99_before_s=before, p99_s=after)
    assert len(slow) == 500
    assert pings.judged < 2
    # A request that had to wait for one of them would wait for seconds.
    assert after < max(0.05 if LONG else 0.5, 2 * before)


def rudely_close(client: socket.socket) -> None:
    """Close with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def vanish_in_head(server: Server) -> None:
    """Reset a connection in the middle of a head."""
    client = connect(server)
    client.sendall(_HEAD)
    rudely_close(client)


def vanish_in_body(server: Server) -> None:
    """Reset a connection in the middle of a body."""
    client = connect(server)
    client.sendall(asking(1 << 20, b"x" * 100_000))
    rudely_close(client)


def vanish_in_answer(server: Server) -> None:
    """Reset a connection when the first bytes of a long answer are there."""
    client = connect(server, small=True)
    command = b"large %d" % ANSWER_KB
    client.sendall(asking(len(command), command))
    assert client.recv(1)
    rudely_close(client)


def vanish_in_prediction(server: Server) -> None:
    """Reset a connection while its request is worked on."""
    client = connect(server)
    client.sendall(asking(10, b"sleep 0.02"))
    rudely_close(client)


def half_close(server: Server) -> None:
    """Close the sending direction alone, which nginx takes for a client that is gone; read to the end."""
    with connect(server) as client:
        client.sendall(asking(5, b"nonce"))
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass


RUDE = (vanish_in_head, vanish_in_body, vanish_in_answer, vanish_in_prediction, half_close)


def test_35_clients_that_vanish_leave_nothing(tmp_path: Path) -> None:
    """Resets at every moment of a request: no traceback, no descriptor is left, the others notice nothing."""
    rounds = 200 if LONG else 30
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        wait_until(lambda: len(workers(server)) == 2, timeout=PATIENCE)
        for be_rude in RUDE:
            be_rude(server)
        everybody = processes(server)
        with Load(server) as load:
            wait_for_answers(load, 50)
        maximum = quiet_files(everybody) + KEPT_FILES * (load.clients + 1)
        with Pings(server) as pings, Load(server) as load:
            for _ in range(rounds):
                for be_rude in RUDE:
                    be_rude(server)
            wait_for_answers(load, 50)
        wait_until(lambda: open_files(everybody) <= maximum, timeout=PATIENCE, message="descriptors are left")
        left = max(0, open_files(everybody) - maximum)
        assert processes(server) == everybody
        assert "Traceback" not in server.text
    unnoticed(f"{rounds * len(RUDE)} clients that vanish", load, pings, files_left=left)


def quiet_files(pids: list[int]) -> int:
    """Return how many descriptors are open when nothing changes any more."""
    last = [open_files(pids)]

    def settled() -> bool:
        last.append(open_files(pids))
        return len(last) > 20 and len(set(last[-20:])) == 1

    wait_until(settled, timeout=PATIENCE)
    return last[-1]


def test_36_no_descriptor_is_left(tmp_path: Path) -> None:
    """More connections than a process may have: the server does not spin, and serves when they are gone."""
    server = Server(tmp_path, FAULTY)
    server.wrapper = ["prlimit", "--nofile=64:64"]
    with server:
        server.wait_ready()
        fronts = [server.children()["nginx"], *children_of(server.children()["nginx"])]
        with contextlib.ExitStack() as stack:
            for _ in range(200):
                client = stack.enter_context(connect(server))
                client.sendall(_HEAD)
            wait_until(lambda: "Too many open files" in server.text or "worker_connections" in server.text)
            used, began = busy_seconds(fronts), time.monotonic()
            wait_until(lambda: time.monotonic() - began > 1)
            share = (busy_seconds(fronts) - used) / (time.monotonic() - began)
        began = time.monotonic()
        wait_until(lambda: server.ping() == 200, timeout=PATIENCE)
        recovery = time.monotonic() - began
        answers = [server.invoke(str(number)).status for number in range(20)]
    report(
        "no descriptor left",
        n=len(answers),
        failed=sum(status != 200 for status in answers),
        recovery=recovery,
        cpu_share=share,
    )
    assert set(answers) == {200}
    assert share < 0.5
