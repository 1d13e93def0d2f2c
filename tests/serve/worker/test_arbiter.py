"""The arbiter: it sleeps while there is nothing to do, and wakes up for what there is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import Server, children_of, require_nginx
from tests.support import wait_until

QUIET_SECONDS = 1.5
"""Longer than gunicorn's own loop, and our look for late workers, rest."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run two workers behind nginx."""
    require_nginx()
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server.wait_ready()


def turns(pid: int) -> int:
    """Return how often a process has begun to wait."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("voluntary_ctxt_switches")]
    return int(line.split()[1])


def wait_for_sleep(pid: int) -> None:
    """Return as soon as a process has not run for a while."""
    last, since = -1, 0.0

    def is_quiet() -> bool:
        nonlocal last, since
        found, now = turns(pid), time.monotonic()
        if found != last:
            last, since = found, now
        return now > since + QUIET_SECONDS

    wait_until(is_quiet, timeout=60)


def test_it_sleeps_until_a_worker_dies(server: Server) -> None:
    """No request is there, and none is late: it runs only if a signal comes."""
    arbiter = server.children()["gunicorn"]
    wait_until(lambda: len(children_of(arbiter)) == 2)
    wait_for_sleep(arbiter)
    dead, kept = children_of(arbiter)
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: len(found := children_of(arbiter)) == 2 and kept in found and dead not in found)
    wait_for_sleep(arbiter)


def test_it_looks_for_late_workers_once_there_was_a_request(server: Server) -> None:
    """The connection stays open behind nginx, on which another request may come at any time."""
    arbiter = server.children()["gunicorn"]
    wait_for_sleep(arbiter)
    assert server.invoke("1").status == 200
    before = turns(arbiter)
    wait_until(lambda: turns(arbiter) >= before + 8)
