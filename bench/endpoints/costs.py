"""What endpoints cost that nobody asks: how long a serverless one takes to wake, and what a thousand keep."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any

from bench.cold_start import serve_seconds
from bench.endpoints.features import HANDLER
from bench.endpoints.measured import CSV, running, variant
from bench.load import drive, prepare
from bench.processes import cpu_seconds
from bench.server import HOST
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, create, instances_of, make_model
from tests.support import wait_until

from mlberth_local.endpoints.record import KIND
from mlberth_local.gateway.control_socket import Places
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resources

_SERVER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "SAGEMAKER_USE_NGINX": "true"}
"""As many as `serve_seconds` starts."""
_SECONDS = 300.0
_CLIENTS = 8
_RARE, _SERVED = "rare", "served"


def serverless(daemon: Daemon) -> None:
    """Make a serverless endpoint, and wait until it sleeps."""
    make_model(daemon, _RARE, HANDLER, **_SERVER)
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 20}
    create(daemon, _RARE, {"VariantName": "AllTraffic", "ModelName": _RARE, "ServerlessConfig": config})
    _sleep(daemon)


def _sleep(daemon: Daemon) -> None:
    wait_until(lambda: not instances_of(daemon, _RARE), timeout=_SECONDS)


def cold_starts(folder: Path, rounds: int) -> dict[str, Any]:
    """Wake a serverless endpoint, and start its container by itself; returns the means in seconds."""
    base = folder / "alone"
    (base / "model/code").mkdir(parents=True)
    (base / "model/code/inference.py").write_text(HANDLER)
    (folder / "home").mkdir()
    asked, own = [], []
    with running(folder / "home") as daemon:
        serverless(daemon)
        runtime = client(daemon, "sagemaker-runtime")
        for _ in range(rounds):
            _sleep(daemon)
            own.append(serve_seconds(base)[0])
            began = perf_counter()
            runtime.invoke_endpoint(EndpointName=_RARE, Body=b"1", ContentType=CSV)
            asked.append(perf_counter() - began)
        wait_until(lambda: _setups(daemon)[0] >= rounds, timeout=_SECONDS)
        setup = _setups(daemon)[1]
    return {"rounds": rounds, "own_s": mean(own), "setup_s": setup, "request_s": mean(asked)}


def _setups(daemon: Daemon) -> tuple[float, float]:
    """Return how many times the endpoint was woken, and the mean of `ModelSetupTime` in seconds."""
    now = datetime.now(timezone.utc)
    points = client(daemon, "cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="ModelSetupTime",
        Dimensions=[{"Name": "EndpointName", "Value": _RARE}, {"Name": "VariantName", "Value": "AllTraffic"}],
        StartTime=now - timedelta(hours=2),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["SampleCount", "Sum"],
    )["Datapoints"]
    count = sum(point["SampleCount"] for point in points)
    return count, sum(point["Sum"] for point in points) / count / 1e6 if count else 0.0


def idle_endpoints(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """Return what the processes and a request cost with one serverless endpoint that sleeps, and with many.

    Memory is the PSS of the daemon and of the gateway in bytes; a request's CPU time is the gateway's.
    """
    folder.mkdir()
    with running(folder) as daemon:
        serverless(daemon)
        create(daemon, _SERVED, variant(_RARE, InitialInstanceCount=1))
    found = {}
    for name, endpoints in (("one", 1), ("many", count)):
        _copy(Daemon(folder), endpoints)
        with running(folder) as daemon:
            _wait_for(daemon, endpoints + 1)
            found[name] = _costs(daemon, seconds)
    return {"endpoints": count, **found}


def _copy(daemon: Daemon, count: int) -> None:
    """Let there be so many endpoints like the serverless one: made by the API, each would start once."""
    with closing(Database(daemon.home / "mlberth.sqlite")) as database:
        resources = Resources(database)
        row = resources.get(KIND, _RARE)
        for number in range(1, count):
            name = f"{_RARE}-{number}"
            resources.create(replace(row, name=name, arn=f"{row.arn}-{number}"))


def _wait_for(daemon: Daemon, count: int) -> None:
    """Wait until so many endpoints are in service."""
    sagemaker = client(daemon, "sagemaker")

    def all_are() -> bool:
        pages = sagemaker.get_paginator("list_endpoints").paginate(StatusEquals="InService")
        return sum(len(page["Endpoints"]) for page in pages) == count

    wait_until(all_are, timeout=_SECONDS)


def _costs(daemon: Daemon, seconds: float) -> dict[str, float]:
    gateway = Places(daemon.home / "gateway").pid()
    assert gateway
    request = prepare(f"/endpoints/{_SERVED}/invocations", b"1", CSV)
    address = (HOST, daemon.port)
    load = drive(
        address, request, clients=_CLIENTS, seconds=seconds, warm=0.5, meter=lambda: cpu_seconds(gateway)
    )
    assert not load.failed
    pid = int((daemon.home / "daemon.pid").read_text())
    return {
        "gateway_bytes": _pss(gateway),
        "daemon_bytes": _pss(pid),
        "request_us": load.cpu_seconds / load.requests * 1e6,
    }


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
