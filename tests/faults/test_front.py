"""nginx's own processes that die: what is in flight is lost, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.faults.load import FAULTY, report
from tests.serve.running import Server, children_of
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("nginx")


def test_killed_nginx_workers_leave_no_limit_behind(tmp_path: Path) -> None:
    """What a killed process of nginx had in flight counts no longer: as many as before may be in flight."""
    gate = tmp_path / "gate"
    runs = tmp_path / "runs"
    with Server(tmp_path, FAULTY, SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT="2") as server:
        server.wait_ready()
        lost = [
            threading.Thread(target=try_to_invoke, args=(server, f"record {runs} wait {gate}"))
            for _ in range(2)
        ]
        for thread in lost:
            thread.start()
        wait_until(lambda: runs.exists() and len(runs.read_text().splitlines()) == 2, timeout=20)
        began = time.monotonic()
        for worker in children_of(server.children()["nginx"]):
            os.kill(worker, signal.SIGKILL)
        for thread in lost:
            thread.join(30)
        gate.touch()
        wait_until(lambda: try_to_invoke(server, "1") == 200, timeout=20, message=server.text)
        recovery = time.monotonic() - began
        assert server.ping() == 200
        report("kill -9 nginx workers", n=2, failed=2, recovery=recovery)


def try_to_invoke(server: Server, body: str) -> int:
    """Return the status of an answer, 0 where the connection breaks off."""
    try:
        return server.invoke(body).status
    except OSError:
        return 0
