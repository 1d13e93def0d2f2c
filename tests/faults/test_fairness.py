"""Nobody waits for a busy worker while another is idle."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.load import FAULTY, LONG, Load, report, wait_for_answers, workers
from tests.serve.running import PROJECTS, Server
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("nginx")


def test_held_worker_holds_up_nobody(tmp_path: Path) -> None:
    """However many connections nginx has kept from before: the other worker answers all."""
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    with Server(tmp_path, FAULTY) as server:
        server.wait_ready()
        with ThreadPoolExecutor(8) as pool:
            assert {pool.submit(server.invoke, "1").result(60).status for _ in range(64)} == {200}
        held = threading.Thread(target=server.invoke, args=(f"record {runs} wait {gate}",))
        held.start()
        wait_until(runs.exists, timeout=20)
        assert [server.invoke("1").status for _ in range(20)] == [200] * 20
        gate.touch()
        held.join(20)


def test_request_that_is_taken_beside_one_that_hangs_is_let_go(tmp_path: Path) -> None:
    """A worker takes a new connection in the turn in which a prediction hangs: nginx is to ask another."""
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server, ExitStack() as stack:
        server.wait_ready()
        (worker,) = workers(server)
        (path,) = server.temporary.glob("*/gunicorn.sock")

        def send(connection: socket.socket, body: str) -> None:
            head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())

        def connect() -> socket.socket:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(20)
            connection.connect(str(path))
            return connection

        send(kept := connect(), "1")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        os.kill(worker, signal.SIGSTOP)  # until both are there
        send(kept, f"record {runs} wait {gate}")
        send(new := connect(), "1")
        os.kill(worker, signal.SIGCONT)
        assert new.recv(4096) == b""
        assert runs.exists()
        gate.touch()
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")


def test_kept_connections_leave_the_queue_its_turn(tmp_path: Path) -> None:
    """One worker, whose kept connections always have a request: what waits for it elsewhere is taken too."""
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        with Load(server.wait_ready(), clients=16, command="sleep 0.004") as load:
            wait_for_answers(load, 800)
        assert load.failures == []
        assert max(load.times) < 2


@pytest.mark.skipif(not LONG, reason="latencies mean something on a quiet machine alone")
@pytest.mark.parametrize("maximum", ["1", "32"], ids=["alone", "batched"])
def test_two_clients_after_a_burst(tmp_path: Path, maximum: str) -> None:
    """Predictions of 100 ms, two workers: after a burst of 32 the p99 of two clients is at most 130 ms."""
    shutil.copytree(PROJECTS / "batched", tmp_path / "ml/model")
    with Server(tmp_path, "mlberth_serve.wsgi:application", SAGEMAKER_BATCH_MAX_SIZE=maximum) as server:
        server.wait_ready()

        def client(count: int) -> list[float]:
            seconds = []
            for _ in range(count):
                began = time.monotonic()
                assert server.invoke("1000", **{"Content-Type": "text/csv"}).status == 200  # sleeps 0.1 s
                seconds.append(time.monotonic() - began)
            return seconds

        best = 60.0
        for _ in range(5):
            with ThreadPoolExecutor(32) as pool:
                list(pool.map(client, [2] * 32))
                latencies = sorted(seconds for found in pool.map(client, [100] * 2) for seconds in found)
            best = min(best, latencies[int(len(latencies) * 0.99)])
            if best <= 0.13:
                break
        how = "one by one" if maximum == "1" else "batched"
        report(f"two clients after a burst, {how}: the p99", n=200, failed=0, recovery=best)
        assert best <= 0.13
