"""Instances that serve no more, though their processes live: `mlberth up` replaces them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
import requests
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import deploy, instances_of, processes
from tests.local.end_to_end.load import Load
from tests.support import wait_until

PATIENCE = 90.0
"""Seconds for a start on a busy machine."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon that checks often, with two instances of the endpoint `pair`."""
    patch = pytest.MonkeyPatch()
    patch.setenv("MLBERTH_PING_SECONDS", "0.3")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up().returncode == 0
    patch.undo()
    late = {"SAGEMAKER_STOP_DELAY_SECONDS": "100", "SAGEMAKER_STOP_GRACE_SECONDS": "120"}
    deploy(daemon, "pair", count=2, **late)
    yield daemon
    assert daemon.run("down").returncode == 0


def names(daemon: Daemon) -> set[str]:
    """Return the instances in traffic."""
    return {one.name for one in instances_of(daemon, "pair")}


def problems(daemon: Daemon) -> list[str]:
    """Return what is wrong with instances."""
    return [one.problem for one in instances_of(daemon, "pair") if one.problem]


def sicken(port: int) -> None:
    """Let an instance answer /ping with 503 from now on, and predictions as before: it is about to stop."""
    os.kill(processes(port)[0], signal.SIGTERM)


def replaced(daemon: Daemon, gone: set[str]) -> bool:
    """Return whether there are two healthy instances, and none of these."""
    found = names(daemon)
    return len(found) == 2 and not found & gone and not problems(daemon)


def test_an_instance_that_is_unhealthy_for_long(daemon: Daemon) -> None:
    """It gets no requests, `status` says why, another one takes its place, and no client notices."""
    sick, _ = instances_of(daemon, "pair")
    with Load(daemon.port, "pair") as load:
        load.more(20)
        sicken(sick.ports[0])
        wait_until(lambda: problems(daemon), timeout=PATIENCE)
        shown = daemon.run("status", "pair").stdout
        assert "container primary: It answered /ping with 503\n" in shown
        wait_until(lambda: replaced(daemon, {sick.name}), timeout=PATIENCE)
        load.more(20)
    assert load.failures == []
    shown = daemon.run("status", "pair").stdout
    assert f"Instance {sick.name} leaves the traffic: The primary container" in shown
    assert "It answered /ping with 503, for 3.6 s." in shown


def test_an_instance_that_hangs(daemon: Daemon) -> None:
    """As soon as the gateway knows it, no request goes there; what is stopped is killed in the end."""
    hung, _ = instances_of(daemon, "pair")
    pids = processes(hung.ports[0])
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: hung.name not in names(daemon), timeout=PATIENCE)
        with Load(daemon.port, "pair") as load:
            wait_until(lambda: replaced(daemon, {hung.name}), timeout=PATIENCE)
            load.more(20)
        assert load.failures == []
        assert "It did not answer /ping within 2 s, for 3.6 s." in daemon.run("status", "pair").stdout
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_all_instances_are_unhealthy(daemon: Daemon) -> None:
    """Requests are answered with 503 until there is another instance."""
    sick = instances_of(daemon, "pair")
    for one in sick:
        sicken(one.ports[0])

    def refused() -> bool:
        url = f"http://127.0.0.1:{daemon.port}/endpoints/pair/invocations"
        found = requests.post(url, data=b"1", headers={"Content-Type": "text/csv"}, timeout=60)
        assert found.status_code in {200, 503}
        return found.status_code == 503 and "has no instance that answers" in found.text

    wait_until(refused, timeout=PATIENCE)
    wait_until(lambda: not refused(), timeout=PATIENCE)
    wait_until(lambda: replaced(daemon, {one.name for one in sick}), timeout=PATIENCE)
