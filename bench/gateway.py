"""Measure InvokeEndpoint of one CSV row through the gateway, beside other ways to the same container.

python -m bench.gateway [SECONDS [ROUNDS]]
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.data import ONE_CSV, cases, train
from bench.front import nginx_argv, nginx_conf
from bench.load import Address, Result, ask, drive, drive_at, prepare
from bench.ours import NAME, make
from bench.processes import cpu_seconds, end, pss_bytes
from bench.server import HOST, Place, running
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support import free_port, wait_until

from mlberth_local.gateway.client import Callbacks, GatewayClient
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.table import Endpoint, Fleet, Instance, Table, Variant

CLIENTS = 32
PACE = 50
"""Requests a second on each way at which latencies are compared: none has a queue then."""
IDLE = 1000
"""Endpoints that nobody asks."""
DIRECT, NGINX, FLASK = "container", "nginx", "Flask"
GATEWAY, SIGNED, MANY = "gateway", "gateway, signed", f"gateway, {IDLE} endpoints"
KEY, SECRET = "KEY", "secret"
_FLASK = """
import requests
from flask import Flask, Response, request

app = Flask(__name__)
session = requests.Session()

@app.post("/endpoints/<name>/invocations")
def invoke(name):
    headers = {key: request.headers[key] for key in ("Content-Type", "Accept") if key in request.headers}
    found = session.post("URL", data=request.get_data(), headers=headers, timeout=60)
    return Response(found.content, found.status_code, content_type=found.headers["Content-Type"])

@app.get("/ping")
def ping():
    return ""
"""


@dataclass(frozen=True)
class Way:
    """One way to the container."""

    name: str
    address: Address
    request: bytes
    pid: int | None
    """The process whose tree stands between; None: there is none."""


def main(seconds: float = 3.0, rounds: float = 5) -> None:
    """Print a table of the ways, and how far the bars are reached."""
    case = cases()[ONE_CSV]
    with tempfile.TemporaryDirectory(prefix="bench-gateway-") as top, ExitStack() as stack:
        folder = Path(top)
        train(folder / "model")
        place = Place(folder / "serve", folder / "model", Path(sys.executable), (free_port(),))
        container = stack.enter_context(running(make(NAME), place))
        request = prepare("/endpoints/e/invocations", case.body, case.content_type, case.content_type)
        ways = [
            Way(DIRECT, container.address, container.request(case), None),
            stack.enter_context(nginx(folder / "nginx", container.address, container.request(case))),
            (ours := stack.enter_context(gateway(folder / "gateway", container.address, request, 1))),
            Way(SIGNED, ours.address, signed(request), ours.pid),
            stack.enter_context(gateway(folder / "many", container.address, request, IDLE)),
            stack.enter_context(flask(folder / "flask", container.address, request)),
        ]
        runs: dict[str, list[tuple[Result, float]]] = {way.name: [] for way in ways}
        paced: dict[str, list[Result]] = {way.name: [] for way in ways}
        for number in range(int(rounds) + 1):
            found = {way.name: load(way, container.pid, seconds) for way in ways}
            # At the same time, so that whatever else the machine does slows all of them down alike.
            with ProcessPoolExecutor(len(ways)) as senders:
                slow = dict(zip(found, senders.map(partial(at_pace, seconds), ways), strict=True))
            for name in found if number else ():  # the first round warms everything up
                runs[name].append(found[name])
                paced[name].append(slow[name])
        report(runs, paced, {way.name: pss_bytes(way.pid) for way in ways if way.pid})


def signed(request: bytes) -> bytes:
    """Return a request with a signature, as the SDKs send it with the keys of `mlberth env`."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    aws = AWSRequest("POST", f"http://bench{first.split()[1]}", data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "us-east-1").add_auth(aws)
    return (
        "\r\n".join([first, *(f"{name}: {value}" for name, value in aws.headers.items()), "", ""]).encode()
        + body
    )


def load(way: Way, container: int, seconds: float) -> tuple[Result, float]:
    """Return a run at full load, with the container's CPU time, and the CPU time of what stands before it."""
    before = cpu_seconds(way.pid) if way.pid else 0.0
    result = drive(
        way.address, way.request, clients=CLIENTS, seconds=seconds, meter=lambda: cpu_seconds(container)
    )
    assert not result.failed, f"{way.name}: {result.failed} of {result.requests} failed"
    return result, (cpu_seconds(way.pid) if way.pid else 0.0) - before


def at_pace(seconds: float, way: Way) -> Result:
    """Return a run at a pace that leaves every way idle for most of the time."""
    return drive_at(way.address, way.request, rate=PACE, seconds=seconds, clients=CLIENTS)


def report(
    runs: dict[str, list[tuple[Result, float]]], paced: dict[str, list[Result]], memory: dict[str, int]
) -> None:
    """Print the medians of the rounds, and the bars."""
    rows = {
        name: (
            median(busy.requests / busy.seconds for busy, _ in found),
            median(before / busy.requests for busy, before in found) * 1e6,
            median(busy.cpu_seconds / busy.requests for busy, _ in found) * 1e6,
            median(result.percentile(0.5) for result in paced[name]) * 1e3,
            median(result.percentile(0.99) for result in paced[name]) * 1e3,
        )
        for name, found in runs.items()
    }
    print(f"{'':28}{'requests/s':>11}{'CPU before':>12}{'container':>11}{'p50':>9}{'p99':>9}{'memory':>9}")
    for name, (rate, before, container, p50, p99) in rows.items():
        shown = f"{memory[name] / 1e6:6.0f} MB" if name in memory else ""
        print(f"{name:28}{rate:11.0f}{before:9.0f} µs{container:8.0f} µs{p50:6.2f} ms{p99:6.2f} ms{shown:>9}")
    nginx, ours, many = rows[NGINX], rows[GATEWAY], rows[MANY]
    bars = [
        ("CPU of the gateway, over nginx's and the container's", ours[1] / (nginx[1] + nginx[2]), "≤ 1.0"),
        ("p50 beyond the container's, in ms", ours[3] - rows[DIRECT][3], "≤ 0.5"),
        ("rate over Flask's", ours[0] / rows[FLASK][0], "≥ 3"),
        ("CPU before, over Flask's", ours[1] / rows[FLASK][1], ""),
        (f"CPU with {IDLE} endpoints, over that with one", many[1] / ours[1], "≤ 1.1"),
        (f"memory with {IDLE} endpoints, in MB", memory[MANY] / 1e6, "≤ 200"),
    ]
    for what, value, bar in bars:
        print(f"{what}: {value:.2f} {f'({bar} wanted)' if bar else ''}")


@contextmanager
def gateway(folder: Path, container: Address, request: bytes, endpoints: int) -> Iterator[Way]:
    """Run the gateway with the container as the instance of one endpoint, beside others."""
    folder.mkdir()
    keys = folder / "keys.json"
    keys.write_text(json.dumps({KEY: SECRET}))
    with socket.create_server((HOST, 0), backlog=1024) as listening:
        client = GatewayClient(folder, [listening], keys=keys, environ=os.environ)
        client.begin(Callbacks(lambda *_: None, lambda _: None, lambda _: None))
        idle = [endpoint(f"idle-{number}", 1) for number in range(endpoints - 1)]
        client.apply(Table((endpoint("e", container[1]), *idle)))
        try:
            yield Way(MANY if idle else GATEWAY, listening.getsockname(), request, Places(folder).pid())
        finally:
            client.stop(1)


def endpoint(name: str, port: int) -> Endpoint:
    """Return an endpoint with one instance."""
    fleet = Fleet("config", (Instance(f"i-{name}", (port,)),))
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/{name}"
    return Endpoint(name, arn, (Variant("AllTraffic", 1.0, (fleet,)),))


@contextmanager
def nginx(folder: Path, container: Address, request: bytes) -> Iterator[Way]:
    """Run nginx with `proxy_pass` to the container, and connections to it that stay open."""
    folder.mkdir()
    port = free_port()
    conf = nginx_conf(port, keepalive=32).replace("unix:app.sock", f"{HOST}:{container[1]}")
    (folder / "nginx.conf").write_text(conf)
    with server(nginx_argv("."), folder, port) as pid:
        yield Way(NGINX, (HOST, port), request, pid)


@contextmanager
def flask(folder: Path, container: Address, request: bytes) -> Iterator[Way]:
    """Run the front that one would write: Flask, requests, and gunicorn with threads."""
    folder.mkdir()
    port = free_port()
    (folder / "front.py").write_text(_FLASK.replace("URL", f"http://{HOST}:{container[1]}/invocations"))
    argv = [
        *(sys.executable, "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers", "2", "--threads", "16"),
        *("--worker-class", "gthread", "--log-level", "warning", "front:app"),
    ]
    with server(argv, folder, port) as pid:
        yield Way(FLASK, (HOST, port), request, pid)


@contextmanager
def server(argv: list[str], folder: Path, port: int) -> Iterator[int]:
    """Run a program until the block ends; it answers `/ping`."""
    child = subprocess.Popen(argv, cwd=folder, start_new_session=True)
    try:
        wait_until(lambda: answers(port), timeout=60)
        yield child.pid
    finally:
        end(child.pid)
        child.wait(10)


def answers(port: int) -> bool:
    """Return whether a server answers."""
    try:
        return ask((HOST, port), prepare("/ping", b"", "", method="GET"))[0]
    except OSError:
        return False


if __name__ == "__main__":
    main(*map(float, sys.argv[1:3]))
