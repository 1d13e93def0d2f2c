"""Faults of the platform's endpoints under load: what dies, and which requests notice."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest
from tests.docs.commands import ROOT, blocks
from tests.faults.load import LONG, report
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy, instances_of, kill, pids_of, wait
from tests.support import free_port, wait_until

from mlberth_local.gateway.control_socket import Places

PAGE = ROOT / "docs/how-to/endpoints.md"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CLIENTS = 4 if LONG else 2
SECONDS = 20.0 if LONG else 0.5
"""Of load before and after a fault."""


class Load:
    """Clients of an endpoint that never pause; all send the same body."""

    def __init__(self, port: int, endpoint: str = "served", body: str = "1") -> None:
        self._port = port
        self._path = f"/endpoints/{endpoint}/invocations"
        self._body = body
        self.answered = 0
        self.times: list[float] = []
        """How long each answer of 200 took, in seconds."""
        self.workers: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> Load:
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
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
        """Wait for so many answers as come in some time, errors too, and for at least one of each client."""
        until, goal = time.monotonic() + SECONDS, self.answered + len(self.failures) + CLIENTS
        wait_until(lambda: time.monotonic() > until and self.answered + len(self.failures) > goal, timeout=60)

    def more(self, count: int) -> None:
        """Wait for so many answers more."""
        goal = self.answered + count
        wait_until(lambda: self.answered >= goal or self.failures, timeout=60)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                connection.request("POST", self._path, self._body, {"Content-Type": "text/csv"})
                response = connection.getresponse()
                status, text = response.status, response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                status, text = 0, repr(error)
            with self._lock:
                if status == 200:
                    self.answered += 1
                    self.times.append(time.monotonic() - began)
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
    with Load(daemon.port) as load:
        began = time.monotonic()
        kill_gateway(daemon)
        recovery = time.monotonic() - began
        load.go_on()
    report("endpoint: gateway killed", n=load.answered, failed=len(load.failures), recovery=recovery)
    assert len(load.failures) <= CLIENTS, load.failures


@pytest.fixture
def front(daemon: Daemon, tmp_path: Path, nginx: None) -> Iterator[int]:
    """Run nginx in front of the gateway as the page has it; gives its port."""
    port = free_port()
    [conf] = [block.content for block in blocks(PAGE) if block.language == "nginx"]
    conf = conf.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace(":8500;", f":{daemon.port};")
    temp = "".join(f"{kind}_temp_path {kind};\n" for kind in TEMPORARY)
    lines = ["daemon off;", "pid nginx.pid;", "events {}", "http {", "access_log off;", temp, conf, "}"]
    (tmp_path / "nginx.conf").write_text("\n".join(lines))
    argv = ["nginx", "-e", "stderr", "-p", str(tmp_path), "-c", "nginx.conf"]
    with subprocess.Popen(argv) as process:
        wait_until(lambda: (tmp_path / "nginx.pid").exists() or process.poll() is not None)
        yield port
        process.terminate()


@pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: its short form is in tests/local/end_to_end")
def test_a_killed_gateway_behind_nginx(daemon: Daemon, front: int) -> None:
    """No request notices: nginx sends those again that were on their way."""
    kills = 20
    with Load(front) as load:
        for _ in range(kills):
            kill_gateway(daemon)
            load.more(50)
            if load.failures:  # further kills, of gateways that have not begun, would add others
                break
    name = "endpoint: gateway killed, nginx in front"
    report(name, n=load.answered, failed=len(load.failures), kills=kills)
    assert load.failures == []


def kill_gateway(daemon: Daemon) -> None:
    """Kill the gateway, and wait for another one."""
    pid = gateway(daemon)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gateway(daemon) not in (0, pid), timeout=60)


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
