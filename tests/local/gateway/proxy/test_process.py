"""Tests of the process: whose requests it answers, and what happens if it or the daemon is killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError
from tests.local.gateway.platform import (
    GatewayPlatform,
    endpoint,
    gateway_platform,
    instance,
    one_port,
    variant,
)
from tests.local.gateway.servers import Received, Said, container
from tests.local.jobs.recovery import is_long
from tests.support import is_alive, wait_until

from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.table import Fleet

REQUESTS = 100_000 if is_long() else 500


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[GatewayPlatform]:
    """Run a platform whose gateway has not been started."""
    with gateway_platform(tmp_path) as found:
        yield found


def test_without_an_endpoint_there_is_no_process(fresh: GatewayPlatform) -> None:
    """The daemon answers alone, and knows no endpoint."""
    fresh.serve()
    assert Places(fresh.platform.home / "gateway").pid() is None
    with pytest.raises(ClientError, match="Endpoint e of account 000000000000 not found"):
        fresh.runtime.invoke_endpoint(EndpointName="e", Body=b"1")
    assert requests.get(f"{fresh.url}/_mlberth/metrics", timeout=5).text == ""


def test_its_files_are_its_owners_alone(platform: GatewayPlatform) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
    folder = platform.platform.home / "gateway"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes["gateway"] == 0o700
    assert (
        modes["control.sock"] == modes["http.sock"] == modes["gateway.lock"] == modes["table.json"] == 0o600
    )


def test_what_is_no_invocation_is_the_daemons(platform: GatewayPlatform) -> None:
    """Every other request is answered as without a gateway, on new and on kept connections, with any body."""
    with container() as one:
        platform.serve(one_port(one.port))
        s3 = platform.client("s3")
        s3.create_bucket(Bucket="by-the-gateway")
        body = os.urandom(3 * 1024 * 1024)
        s3.put_object(Bucket="by-the-gateway", Key="k", Body=body)
        assert s3.get_object(Bucket="by-the-gateway", Key="k")["Body"].read() == body
        connection = http.client.HTTPConnection("127.0.0.1", platform.platform.settings.port, timeout=10)
        for _ in range(2):  # first the gateway has the connection, then the daemon
            for method, path, answer in (
                ("POST", "/endpoints/e/invocations", b"1"),
                ("GET", "/_mlberth/health", b'"home"'),
                ("POST", "/endpoints/e/invocations", b"1"),
            ):
                connection.request(method, path, b"1" if method == "POST" else None)
                found = connection.getresponse()
                assert found.status == 200
                assert answer in found.read()
        connection.close()


def test_a_first_line_in_pieces(platform: GatewayPlatform) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
        head = b"POST /endpoints/e/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok"
        for request in (head, b"GET /_mlberth/health HTTP/1.1\r\nHost: h\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", platform.platform.settings.port), 5) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for byte in request:
                    connection.sendall(bytes([byte]))
                assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -1",
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
        b"no header",
        b"A: " + b"x" * 70_000,
    ],
    ids=["negative", "two-lengths", "no-header", "large-header"],
)
def test_what_is_no_http_is_refused(platform: GatewayPlatform, headers: bytes) -> None:
    with container() as one:
        platform.serve(one_port(one.port))
        with socket.create_connection(("127.0.0.1", platform.platform.settings.port), 5) as connection:
            connection.sendall(b"POST /endpoints/e/invocations HTTP/1.1\r\n" + headers + b"\r\n\r\n0\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        assert not one.received


def test_requests_that_come_together(platform: GatewayPlatform) -> None:
    """The second of two requests in one packet is not answered in the place of the first."""
    one_request = b"POST /endpoints/e/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"
    with container() as one:
        platform.serve(one_port(one.port))
        with socket.create_connection(("127.0.0.1", platform.platform.settings.port), 5) as connection:
            connection.sendall(one_request + b"a" + one_request + b"b")
            found = b""
            while piece := connection.recv(1000):
                found += piece
        assert found.count(b"HTTP/1.1 200 OK") == 1
        assert b"Connection: close" in found
        assert found.endswith(b"a")


def test_a_shift_is_complete_when_it_is_acknowledged(platform: GatewayPlatform) -> None:
    """After `apply` no request goes to an instance that has left; `drained` waits for those in flight."""
    release, begun = threading.Event(), threading.Event()

    def slow(_: Received) -> Said:
        begun.set()
        release.wait(10)
        return Said(b"old")

    with container(slow) as old, container(lambda _: Said(b"new")) as new:
        before, after = instance(old.port, name="old"), instance(new.port, name="new")
        platform.serve(endpoint(variant(before)))
        client = platform.runtime
        bodies: list[bytes] = []
        thread = threading.Thread(
            target=lambda: bodies.append(client.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read())
        )
        thread.start()
        assert begun.wait(5)
        platform.serve(endpoint(variant(after)))
        for _ in range(5):
            assert client.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read() == b"new"
        assert not platform.gateway.drained([before], 0.1)
        release.set()
        assert platform.gateway.drained([before], 5)
        thread.join(5)
        assert bodies == [b"old"]
        assert platform.gateway.drained([before, after], 0)


def test_instances_that_come_and_go_under_load(platform: GatewayPlatform) -> None:
    """A table, `drained`, and the end of the old server: no request of 100 000 (500 in short) notices."""
    url = f"{platform.url}/endpoints/e/invocations"
    ended = threading.Event()
    found: Counter[int] = Counter()

    def run() -> None:
        with requests.Session() as session:
            while not ended.is_set():
                found[session.post(url, b"1", timeout=30).status_code] += 1

    with ExitStack() as servers:
        one = servers.enter_context(container())
        platform.serve(one_port(one.port))
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        shifts = 0
        while found.total() < REQUESTS:
            with ExitStack() as old:
                old.push(servers.pop_all())
                before = instance(one.port)
                one = servers.enter_context(container())
                platform.serve(one_port(one.port))
                assert platform.gateway.drained([before], 10)
            shifts += 1
        ended.set()
        for thread in threads:
            thread.join(30)
    assert shifts > 3
    assert set(found) == {200}


def test_a_killed_gateway_is_replaced(fresh: GatewayPlatform) -> None:
    """Its port refuses nobody, and the next process has the same table."""
    with container() as one:
        fresh.serve(one_port(one.port))
        client = fresh.runtime
        assert client.invoke_endpoint(EndpointName="e", Body=b"1")["Body"].read() == b"1"
        killed = fresh.pid
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: not is_alive(killed))
        for _ in range(20):
            found = requests.post(f"{fresh.url}/endpoints/e/invocations", b"2", timeout=10)
            assert (found.status_code, found.content) == (200, b"2")
        assert fresh.pid != killed
        assert requests.get(f"{fresh.url}/_mlberth/health", timeout=10).status_code == 200


def test_the_metrics_of_a_variant(platform: GatewayPlatform) -> None:
    """They are those of the platform, within seconds; with its configuration's name while there are two."""
    with container() as one, container() as two:
        one.behaviour = two.behaviour = lambda request: Said(request.body, int(request.body))
        fleets = (
            Fleet("blue", (instance(one.port, name="a"),), 0.0),
            Fleet("green", (instance(two.port, name="b"),), 1.0),
        )
        both = variant(name="v")
        pipeline = variant(instance(one.port, two.port), name="v", containers=("first", "last"))
        platform.serve(
            endpoint(type(both)("v", 1.0, fleets), name="counted"), endpoint(pipeline, name="piped")
        )
        client = platform.runtime
        client.invoke_endpoint(EndpointName="piped", Body="200")
        one.received.clear()
        two.received.clear()
        for status in ("200", "200"):
            client.invoke_endpoint(EndpointName="counted", Body=status)
        for status in ("400", "500"):
            with pytest.raises(ClientError, match="ModelError"):
                client.invoke_endpoint(EndpointName="counted", Body=status)
        assert (len(one.received), len(two.received)) == (0, 4)

    def statistics(name: str, *statistics: str, **dimensions: str) -> dict[str, float]:
        now = datetime.now(timezone.utc)
        found = platform.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[
                {"Name": key, "Value": value}
                for key, value in {"EndpointName": "counted", "VariantName": "v", **dimensions}.items()
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=list(statistics),
        )["Datapoints"]
        return {one: sum(point[one] for point in found) for one in statistics}

    wait_until(lambda: statistics("Invocations", "Sum")["Sum"] == 4, timeout=15)
    assert statistics("Invocation4XXErrors", "Sum", "SampleCount") == {"Sum": 1, "SampleCount": 4}
    assert statistics("Invocation5XXErrors", "Sum", "Maximum") == {"Sum": 1, "Maximum": 1}
    assert statistics("InvocationModelErrors", "Sum", "Minimum") == {"Sum": 2, "Minimum": 0}
    assert statistics("InvocationsPerInstance", "Sum") == {"Sum": 2}
    latency = statistics("ModelLatency", "SampleCount", "Average", "Minimum", "Maximum")
    assert latency["SampleCount"] == 4
    assert 50 < latency["Minimum"] <= latency["Average"] <= latency["Maximum"] < 1e6
    assert statistics("OverheadLatency", "SampleCount")["SampleCount"] == 4
    assert statistics("Invocations", "Sum", EndpointConfigName="green") == {"Sum": 4}
    one_of_two = {"EndpointName": "piped", "ContainerName": "last"}
    assert statistics("Invocations", "Sum", **one_of_two) == {"Sum": 1}
    assert 50 < statistics("ContainerLatency", "Average", **one_of_two)["Average"] < 1e6
    text = requests.get(f"{platform.url}/_mlberth/metrics", timeout=5).text
    assert 'mlberth_invocations_total{endpoint="counted",variant="v",config="green"} 4' in text
    assert 'mlberth_model_latency_seconds_count{endpoint="counted",variant="v",config="green"} 4' in text


def test_stopping_finishes_what_is_in_flight(fresh: GatewayPlatform) -> None:
    release, begun = threading.Event(), threading.Event()

    def slow(_: Received) -> Said:
        begun.set()
        release.wait(10)
        return Said(b"done")

    with container(slow) as one:
        fresh.serve(one_port(one.port))
        url = f"{fresh.url}/endpoints/e/invocations"
        bodies: list[bytes] = []
        thread = threading.Thread(target=lambda: bodies.append(requests.post(url, b"1", timeout=20).content))
        thread.start()
        assert begun.wait(5)
        pid = fresh.pid
        stopping = threading.Thread(target=fresh.gateway.stop, args=(10,))
        stopping.start()
        release.set()
        stopping.join(15)
        thread.join(5)
        assert not is_alive(pid)
    assert bodies == [b"done"]


def test_the_table_is_kept_as_a_file(platform: GatewayPlatform) -> None:
    """Whoever starts the gateway again finds it."""
    with container() as one:
        platform.serve(one_port(one.port, name="kept"))
    found = json.loads((platform.platform.home / "gateway" / "table.json").read_bytes())
    assert [one["name"] for one in found["endpoints"]] == ["kept"]
