"""Tests of requests that are the daemon's, while there is none."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from tests.support import wait_until

from mlberth_local.gateway.control_socket import Places, connect
from mlberth_local.gateway.link import Link
from mlberth_local.gateway.messages import Message
from mlberth_local.gateway.takeover import end, listening_sockets

DAEMON_SECONDS = 0.5


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Run a gateway without a daemon: its folder and its port."""
    folder = tmp_path_factory.mktemp("gateway")
    keys = folder / "keys.json"
    keys.write_text("{}")
    argv = [sys.executable, "-m", "mlberth_local.gateway", "--folder", str(folder), "--keys", str(keys)]
    with subprocess.Popen([*argv, "--daemon-seconds", str(DAEMON_SECONDS)]) as process:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        link = attend(folder, lambda _: None, attending=False)
        link.ask({"do": "listen"}, 5, (listening.fileno(),))
        link.close()
        listening.close()
        yield folder, port
        assert end(folder, 0)
        assert process.wait(5) == 0
    assert not end(folder, 0)


def attend(folder: Path, on_event: Callable[[Message], None], *, attending: bool = True) -> Link:
    """Return a daemon's connection."""
    opened: list[socket.socket] = []

    def opens() -> bool:
        with suppress(OSError):
            opened.append(connect(Places(folder).control, 5))
        return bool(opened)

    wait_until(opens)
    link = Link(opened[0], on_event, lambda _: None)
    if attending:
        link.ask({"do": "attend"}, 5)
    return link


def test_nobody_comes(alone: tuple[Path, int]) -> None:
    """Who asks for something of the daemon's is told that it does not run, and can ask again."""
    found = requests.get(f"http://127.0.0.1:{alone[1]}/bucket", timeout=10)
    assert found.status_code == 503
    assert found.elapsed.total_seconds() >= DAEMON_SECONDS - 0.05
    assert "daemon does not run" in found.json()["message"]


def test_one_comes_in_time(alone: tuple[Path, int]) -> None:
    """It gets the connection with every byte that was read, and answers on it."""
    folder, port = alone
    events: queue.Queue[Message] = queue.Queue()
    bodies: list[bytes] = []

    def ask() -> None:
        bodies.append(requests.put(f"http://127.0.0.1:{port}/bucket/key", b"x" * 1000, timeout=10).content)

    asking = threading.Thread(target=ask)
    asking.start()
    link = attend(folder, events.put)
    message = events.get(timeout=10)
    with socket.socket(fileno=message.descriptors[0]) as connection:
        connection.settimeout(10)  # it came from an event loop: a read would not wait
        received = message.payload
        while b"x" * 1000 not in received:
            received += connection.recv(10_000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    asking.join(10)
    link.close()
    assert received.startswith(b"PUT /bucket/key HTTP/1.1\r\n")
    assert bodies == [b"ok"]


def test_the_next_daemon_takes_the_sockets(alone: tuple[Path, int]) -> None:
    """They are the same: what a client connects to in between is not refused."""
    (found,) = listening_sockets(alone[0])
    with found:
        assert found.getsockname() == ("127.0.0.1", alone[1])


def test_a_removed_home(tmp_path: Path) -> None:
    """A gateway without a daemon that nobody can find ends by itself."""
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    folder = tmp_path / "gateway"
    folder.mkdir()
    argv = [sys.executable, "-m", "mlberth_local.gateway", "--folder", str(folder), "--keys", str(keys)]
    with subprocess.Popen(argv) as process:
        wait_until(Places(folder).control.exists)
        shutil.rmtree(folder)
        assert process.wait(10) == 0


def test_a_gateway_that_does_not_answer_is_killed(tmp_path: Path) -> None:
    """The port of a stopped one becomes free."""
    places = Places(tmp_path)
    script = (
        "import pathlib, sys, time\n"
        "from mlberth_local.gateway.control_socket import Places\n"
        "assert Places(pathlib.Path(sys.argv[1])).lock() is not None\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=dict(os.environ)) as process:
        wait_until(lambda: places.pid() == process.pid)
        assert listening_sockets(tmp_path) == []
        assert process.wait(10) == -9
