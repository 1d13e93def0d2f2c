"""Slow clients with large bodies: what nginx keeps in memory for requests that are not in flight."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.load import PATIENCE
from tests.serve.running import children_of
from tests.support import free_port, wait_until

from mlberth_serve.control.nginx.config import (
    bodies_in_memory,
    body_buffer,
    install_config,
    nginx_argv,
    render,
)
from mlberth_serve.settings import Settings
from mlberth_serve.shared.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("nginx")

MB = 1 << 20
MEMORY = 256 * MB
CLIENTS = 400
BODY = MB


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int, RunDirectory]]:
    """Run nginx as on a machine of 256 MB, with nobody behind it: its port, pid and folder."""
    port = free_port()
    settings = Settings.from_environ(
        {
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
            "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT": "64",
        }
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run = RunDirectory.create()
    install_config(run, settings, as_root=os.geteuid() == 0)
    for name, text in render(settings, as_root=False, memory=lambda: MEMORY).items():
        (run.path / name).write_text(text)
    assert body_buffer(settings, MEMORY) * bodies_in_memory(settings, MEMORY) <= MEMORY // 8
    with subprocess.Popen(nginx_argv("nginx", run), cwd=run.path) as nginx:
        wait_until(lambda: is_open(port), timeout=PATIENCE)
        yield port, nginx.pid, run
        nginx.terminate()
    run.remove()


def is_open(port: int) -> bool:
    """Tell whether anybody listens."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def resident(pid: int) -> int:
    """Return the memory of a process's children, in bytes."""
    pages = [int(Path(f"/proc/{child}/statm").read_text().split()[1]) for child in children_of(pid)]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def unread(port: int) -> int:
    """Return how many bytes that clients have sent to a port nobody has read yet."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{port:04X}"))


@pytest.mark.parametrize("framing", [f"Content-Length: {BODY}", "Transfer-Encoding: chunked"])
def test_bodies_of_slow_clients_stay_within_the_budget(
    front: tuple[int, int, RunDirectory], framing: str
) -> None:
    """However many have sent almost all of a body: an eighth of the memory, and 64 kB a connection."""
    port, pid, _ = front
    head = f"POST /invocations HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"
    if "chunked" in framing:
        head += f"{BODY:x}\r\n"
    before = resident(pid)
    with ExitStack() as stack:
        clients = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            client.sendall(head.encode() + b"x" * (BODY - 1000))
            clients.append(client)
        wait_until(lambda: not unread(port), timeout=PATIENCE)
        taken = resident(pid) - before
        # Whether its body is in memory or in a file, a request goes on: to a gunicorn that is not there.
        for client in (clients[0], clients[-1]):
            client.sendall(b"x" * 1000 + (b"\r\n0\r\n\r\n" if "chunked" in framing else b""))
            assert client.recv(12) in {b"HTTP/1.1 502", b"HTTP/1.1 503"}
    assert taken < MEMORY // 8 + CLIENTS * 96 * 1024 < CLIENTS * BODY // 2


def test_small_bodies_are_not_counted(front: tuple[int, int, RunDirectory]) -> None:
    """A crowd of requests that fit what every connection may take costs the large ones nothing."""
    port, pid, _ = front
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    with ExitStack() as stack:
        for size in [59_999] * CLIENTS + [400_000] * 8:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            client.sendall(head % size + b"x" * (size - 1))
        wait_until(lambda: not unread(port), timeout=PATIENCE)
        opened = [path for child in children_of(pid) for path in Path(f"/proc/{child}/fd").iterdir()]
        files = [str(path.readlink()) for path in opened]
    assert [file for file in files if "body_temp" in file] == []
