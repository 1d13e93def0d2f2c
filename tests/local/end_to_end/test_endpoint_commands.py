"""Tests of endpoints of `mlberth up`: the commands that show them, kills, and `down`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.local.end_to_end.daemon import MLBERTH, Daemon
from tests.local.end_to_end.deployments import client, deploy, kill, port_of, wait


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file, with the endpoint `served`."""
    daemon = Daemon(tmp_path_factory.mktemp("endpoints"))
    assert daemon.up().returncode == 0
    deploy(daemon, "served")
    yield daemon
    daemon.run("down")


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


def invoke(daemon: Daemon) -> str:
    """Return what the endpoint `served` answers to InvokeEndpoint."""
    runtime = client(daemon, "sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="served", Body=b"1", ContentType="text/csv")
    return str(answer["Body"].read().decode())


def test_an_endpoint_outlives_a_kill(daemon: Daemon) -> None:
    """The same processes serve on, without a daemon and with the next one."""
    port = port_of(daemon, "served")
    before = server(port)
    assert invoke(daemon) == before
    kill(daemon)
    assert invoke(daemon) == before
    assert daemon.up().returncode == 0
    wait(daemon, "served", "endpoint_in_service")
    assert (port_of(daemon, "served"), invoke(daemon)) == (port, before)


def test_down_ends_endpoints_and_up_serves_them_again(daemon: Daemon) -> None:
    """So it is with those of a daemon that was killed."""
    for ending in (lambda _: None, kill):
        port = port_of(daemon, "served")
        ending(daemon)
        assert daemon.run("down").returncode == 0
        for one in (port, daemon.port):
            with pytest.raises(ConnectionRefusedError):
                server(one)
        assert daemon.up().returncode == 0
        wait(daemon, "served", "endpoint_in_service")
        assert invoke(daemon) == server(port_of(daemon, "served"))


def test_commands_show_endpoints(daemon: Daemon) -> None:
    """`ps`, `status NAME` and `logs NAME`; `stop` says that an endpoint is deleted."""
    deploy(daemon, "shown")
    row = next(line for line in daemon.run("ps").stdout.splitlines() if line.startswith("shown "))
    assert row.split()[1] == "endpoint"
    assert row.endswith("InService 1/1")
    shown = daemon.run("status", "shown").stdout
    for text in (
        "shown  InService\n",
        "configuration shown: 100% of the requests",
        "variant AllTraffic: model shown, weight 1 of 1, 1 of 1 instances ready",
        f"127.0.0.1:{port_of(daemon, 'shown')}",
        "Creating        Starting the instances of shown",
    ):
        assert text in shown
    assert "loaded" in daemon.run("logs", "shown").stdout
    for command in ("stop", "interrupt"):
        assert daemon.run(command, "shown").returncode == 70
    assert "Endpoints are deleted" in daemon.run("stop", "shown").stderr
    missing = daemon.run("status", "none")
    assert (missing.returncode, "The newest are: shown, served." in missing.stderr) == (70, True)
    assert daemon.run("gc").stdout == "nothing is left over\n"
    followed = subprocess.Popen(
        [*MLBERTH, "logs", "-f", "shown"], env=daemon.environ, stdout=subprocess.PIPE, text=True
    )
    with followed:
        assert followed.stdout
        assert any("loaded" in line for line in followed.stdout)
        client(daemon, "sagemaker").delete_endpoint(EndpointName="shown")
        followed.communicate(timeout=60)
    assert followed.returncode == 0


def test_invoke(daemon: Daemon, tmp_path: Path) -> None:
    """The answer is on stdout as it is, an error on stderr in the service's words."""
    body = tmp_path / "row.json"
    body.write_text("[[1]]")
    done = daemon.run("invoke", "served", "--body", str(body), "--accept", "text/csv", "--headers")
    assert f"[{done.stdout.strip()}]" == invoke(daemon), done.stderr
    assert "x-amzn-invoked-production-variant: alltraffic" in done.stderr.lower()
    body.write_text("[[-1]]")
    failed = daemon.run("invoke", "served", "--body", str(body))
    assert failed.returncode == 70
    assert 'ModelError: Received server error (500) from primary with message "' in failed.stderr
    unknown = daemon.run("invoke", "served", "--body", str(body), "--target-variant", "none")
    assert (unknown.returncode, "none" in unknown.stderr) == (70, True)
    missing = daemon.run("invoke", "nothing", "--body", str(body))
    assert "nothing" in missing.stderr
    assert daemon.run("invoke", "served", "--body", str(tmp_path / "no")).returncode == 78
