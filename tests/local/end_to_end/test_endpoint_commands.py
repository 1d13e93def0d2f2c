"""Tests of endpoints of `mlberth up`: the commands that show them, kills, and `down`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.local.end_to_end.deployments import client, deploy, wait
from tests.support import wait_until

from mlberth_local.endpoints.record import KIND, state_of
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resources


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a daemon for one test, with the endpoint `served`."""
    daemon = Daemon(tmp_path)
    assert daemon.up().returncode == 0
    deploy(daemon, "served")
    yield daemon
    daemon.run("down")


def port_of(daemon: Daemon, name: str) -> int:
    """Return the port of an endpoint's one container."""
    database = Database(daemon.home / "mlberth.sqlite")
    try:
        [(_, instance)] = state_of(Resources(database).get(KIND, name)).instances()
    finally:
        database.close()
    return instance.ports[0]


def server(port: int) -> str:
    """Return what a container answers: the process id of its worker."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/invocations", "1", {"Content-Type": "text/csv"})
        response = connection.getresponse()
        assert response.status == 200
        return response.read().decode()
    finally:
        connection.close()


def test_an_endpoint_outlives_a_kill(daemon: Daemon) -> None:
    """The same processes serve on, and the next daemon finds them."""
    port = port_of(daemon, "served")
    before = server(port)
    os.kill(int((daemon.home / "daemon.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: daemon.run("status").returncode == 3)
    assert server(port) == before
    assert daemon.up().returncode == 0
    wait(daemon, "served", "endpoint_in_service")
    assert (port_of(daemon, "served"), server(port)) == (port, before)
    client(daemon, "sagemaker").delete_endpoint(EndpointName="served")
    wait(daemon, "served", "endpoint_deleted")
    with pytest.raises(ConnectionRefusedError):
        server(port)


def test_down_ends_endpoints_and_up_serves_them_again(daemon: Daemon) -> None:
    """So it is with those of a daemon that was killed."""
    port = port_of(daemon, "served")
    assert daemon.run("down").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        server(port)
    assert daemon.up().returncode == 0
    wait(daemon, "served", "endpoint_in_service")
    port = port_of(daemon, "served")
    assert server(port)
    os.kill(int((daemon.home / "daemon.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: daemon.run("status").returncode == 3)
    assert daemon.run("down").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        server(port)


def test_commands_show_endpoints(daemon: Daemon) -> None:
    """`ps`, `status NAME` and `logs NAME`; `stop` says that an endpoint is deleted."""
    [_, row] = daemon.run("ps").stdout.splitlines()
    assert row.split()[:2] == ["served", "endpoint"]
    assert row.endswith("InService 1/1")
    shown = daemon.run("status", "served").stdout
    for text in (
        "served  InService\n",
        "configuration served: 100% of the requests",
        "variant AllTraffic: model served, weight 1 of 1, 1 of 1 instances ready",
        f"127.0.0.1:{port_of(daemon, 'served')}",
        "Creating        Starting the instances of served",
    ):
        assert text in shown
    assert "loaded" in daemon.run("logs", "served").stdout
    for command in ("stop", "interrupt"):
        assert daemon.run(command, "served").returncode == 70
    assert "Endpoints are deleted" in daemon.run("stop", "served").stderr
    missing = daemon.run("status", "none")
    assert (missing.returncode, "The newest are: served." in missing.stderr) == (70, True)
    assert daemon.run("gc").stdout == "nothing is left over\n"
    followed = subprocess.Popen(
        [*MLBERTH, "logs", "-f", "served"], env=daemon.environ, stdout=subprocess.PIPE, text=True
    )
    with followed:
        assert followed.stdout
        assert any("loaded" in line for line in followed.stdout)
        client(daemon, "sagemaker").delete_endpoint(EndpointName="served")
        followed.communicate(timeout=60)
    assert followed.returncode == 0
