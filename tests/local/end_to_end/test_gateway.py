"""Tests of endpoints behind the gateway of `mlberth up`, by boto3: kills under load."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy, wait
from tests.local.end_to_end.load import CLIENTS, Load
from tests.support import is_alive, wait_until

from mlberth_local.gateway.control_socket import Places


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file, with the endpoint `served`; the last one ends it."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up().returncode == 0
    deploy(daemon, "served")
    yield daemon
    daemon.run("down")
    assert gateway_of(daemon) is None


def gateway_of(daemon: Daemon) -> int | None:
    """Return the gateway's process."""
    return Places(daemon.home / "gateway").pid()


def kill(pid: int | None) -> None:
    """Kill a process, and wait for its end."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


def test_kills_under_load(daemon: Daemon) -> None:
    """Of a killed daemon no request fails, of a killed gateway those in flight; the model is the same."""
    runtime = client(daemon, "sagemaker-runtime")
    before = runtime.invoke_endpoint(EndpointName="served", Body=b"1", ContentType="text/csv")["Body"].read()
    gateway = gateway_of(daemon)
    with Load(daemon.port, "served") as load, ThreadPoolExecutor(1) as patient:
        load.more(20)
        kill(int((daemon.home / "daemon.pid").read_text()))
        load.more(20)
        listed = patient.submit(client(daemon, "s3").list_buckets)
        assert daemon.up().returncode == 0
        assert [bucket["Name"] for bucket in listed.result(30)["Buckets"]] == ["models"]
        load.more(20)
        wait(daemon, "served", "endpoint_in_service")
        assert load.failures == []
        assert gateway_of(daemon) == gateway
        kill(gateway)
        load.more(20)
        assert len(load.failures) <= CLIENTS
        assert not [failure for failure in load.failures if "refused" in failure or "50" in failure]
        assert gateway_of(daemon) != gateway
    after = runtime.invoke_endpoint(EndpointName="served", Body=b"1", ContentType="text/csv")["Body"].read()
    assert after == before


def test_the_daemon_and_the_gateway_are_killed(daemon: Daemon) -> None:
    """The next `up` starts both, on the same port."""
    gateway = gateway_of(daemon)
    kill(int((daemon.home / "daemon.pid").read_text()))
    kill(gateway)
    assert daemon.up().returncode == 0
    runtime = client(daemon, "sagemaker-runtime")
    wait(daemon, "served", "endpoint_in_service")
    wait_until(lambda: gateway_of(daemon) is not None)
    found = runtime.invoke_endpoint(EndpointName="served", Body=b"1", ContentType="text/csv")
    assert found["InvokedProductionVariant"] == "AllTraffic"


def test_down_without_a_daemon(daemon: Daemon) -> None:
    """A gateway that has outlived its daemon ends with `mlberth down`, and its port is free."""
    kill(int((daemon.home / "daemon.pid").read_text()))
    assert gateway_of(daemon) is not None
    assert daemon.run("down").returncode == 0
    assert gateway_of(daemon) is None
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{daemon.port}/_mlberth/health", timeout=5)
