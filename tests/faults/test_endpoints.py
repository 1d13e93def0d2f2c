"""Faults of the platform's endpoints under load: what dies, and which requests notice."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from types import TracebackType

import pytest
from tests.faults.load import LONG, report
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy, instances_of, kill, pids_of, wait
from tests.support import wait_until

from mlberth_local.gateway.control_socket import Places

CLIENTS = 4 if LONG else 2
SECONDS = 20.0 if LONG else 0.5
"""Of load before and after a fault."""


class Load:
    """Clients of the endpoint `served` that never pause."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answered = 0
        self.workers: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> Load:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def go_on(self) -> None:
        """Wait for so many answers as come in some time, and for at least one of each client."""
        until, goal = time.monotonic() + SECONDS, self.answered + CLIENTS
        wait_until(lambda: time.monotonic() > until and self.answered > goal, timeout=60)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._ended.is_set():
            try:
                connection.request("POST", "/endpoints/served/invocations", "1", {"Content-Type": "text/csv"})
                response = connection.getresponse()
                status, text = response.status, response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                status, text = 0, repr(error)
            with self._lock:
                if status == 200:
                    self.answered += 1
                    self.workers[text] += 1
                else:
                    self.failures.append(f"{status} {text[:200]}")
        connection.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon whose endpoint `served` has two instances."""
    daemon = Daemon(tmp_path_factory.mktemp("endpoints"))
    assert daemon.up().returncode == 0
    deploy(daemon, "served", count=2)
    yield daemon
    daemon.run("down")


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: its short form is in tests/local/end_to_end")
def test_a_killed_daemon(daemon: Daemon) -> None:
    """No request notices, neither the daemon's end nor the next one's start."""
    with Load(daemon.port) as load:
        kill(daemon)
        load.go_on()
        began = time.monotonic()
        assert daemon.up().returncode == 0
        recovery = time.monotonic() - began
        load.go_on()
    report("endpoint: daemon killed", n=load.answered, failed=len(load.failures), recovery=recovery)
    assert load.failures == []


def names(daemon: Daemon) -> set[str]:
    """Return the names of the instances that are in traffic."""
    return {instance.name for instance in instances_of(daemon, "served")}


def test_a_killed_instance(daemon: Daemon) -> None:
    """At most the requests fail that it was answering; another one takes its place."""
    before = names(daemon)
    with Load(daemon.port) as load:
        began = time.monotonic()
        os.kill(pids_of(daemon, "served")[0], signal.SIGKILL)
        wait_until(lambda: len(names(daemon) - before) == 1, timeout=60)
        recovery = time.monotonic() - began
        load.go_on()
    report("endpoint: instance killed", n=load.answered, failed=len(load.failures), recovery=recovery)
    assert len(load.failures) <= CLIENTS, load.failures
    assert len(load.workers) == 3


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: its short form is in tests/local/end_to_end")
def test_a_killed_gateway(daemon: Daemon) -> None:
    """At most the requests fail that were on their way; another one is started."""
    pid = gateway(daemon)
    with Load(daemon.port) as load:
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gateway(daemon) not in (0, pid), timeout=60)
        recovery = time.monotonic() - began
        load.go_on()
    report("endpoint: gateway killed", n=load.answered, failed=len(load.failures), recovery=recovery)
    assert len(load.failures) <= CLIENTS, load.failures


def gateway(daemon: Daemon) -> int:
    """Return the process id of the gateway; 0 if there is none."""
    return Places(daemon.home / "gateway").pid() or 0


def test_an_update_and_other_numbers_of_instances(daemon: Daemon) -> None:
    """No request fails while instances come and go."""
    sagemaker = client(daemon, "sagemaker")
    with Load(daemon.port) as load:
        sagemaker.update_endpoint(EndpointName="served", EndpointConfigName="served")
        wait(daemon, "served", "endpoint_in_service")
        for count in (3, 1):
            sagemaker.update_endpoint_weights_and_capacities(
                EndpointName="served",
                DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
            )
            wait(daemon, "served", "endpoint_in_service")
            load.go_on()
    report("endpoint: update and scaling", n=load.answered, failed=len(load.failures))
    assert load.failures == []
