"""An endpoint of a daemon under load, and what is done to it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.load import drive_at, prepare
from bench.server import HOST
from tests.local.end_to_end import deployments
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, wait

from mlberth_local.gateway.limits import IDLE_VARIABLE
from mlberth_local.scaling import minute as scaling_minute

CSV = "text/csv"
_CLIENTS = 128
INVOKE, STREAM = "invocations", "invocations-response-stream"


@dataclass(frozen=True)
class Figures:
    """What a load showed. Times are milliseconds."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    changes: int | None = None
    """How often the endpoint was changed meanwhile; None if the feature is there without a change."""


@dataclass(frozen=True)
class Pace:
    """How a load is sent."""

    rate: float
    """Requests a second."""
    seconds: float


@contextmanager
def running(folder: Path, *, minute: float = 60.0) -> Iterator[Daemon]:
    """Run a daemon whose serverless variants fall asleep after a second; `minute` is how long one is."""
    daemon = Daemon(folder, variables={IDLE_VARIABLE: "1", scaling_minute.VARIABLE: str(minute)})
    started = daemon.up()
    assert started.returncode == 0, started.stderr
    try:
        yield daemon
    finally:
        daemon.run("down")


def load(
    daemon: Daemon,
    endpoint: str,
    pace: Pace,
    change: Callable[[], None] | None = None,
    *,
    operation: str = INVOKE,
    headers: Iterable[str] = (),
) -> Figures:
    """Send a load from another process, and change the endpoint again and again as long as it lasts."""
    request = prepare(f"/endpoints/{endpoint}/{operation}", b"1", CSV, headers=headers)
    with ProcessPoolExecutor(1) as other:
        address = (HOST, daemon.port)
        sending = other.submit(
            drive_at, address, request, rate=pace.rate, seconds=pace.seconds, clients=_CLIENTS
        )
        changes = 0
        while change and not sending.done():
            change()
            changes += 1
        found = sending.result()
    p50, p99 = (found.percentile(share) * 1000 for share in (0.5, 0.99))
    return Figures(found.requests, found.failed, p50, p99, changes if change else None)


def variant(model: str, name: str = "AllTraffic", **members: Any) -> dict[str, Any]:
    """Return a variant with two instances."""
    return deployments.variant(model, name, **{"InitialInstanceCount": 2, **members})


def ended(daemon: Daemon, name: str, found: Figures) -> Figures:
    """Delete an endpoint and its configuration; return what was found. The next has the machine to itself."""
    client(daemon, "sagemaker").delete_endpoint(EndpointName=name)
    wait(daemon, name, "endpoint_deleted")
    client(daemon, "sagemaker").delete_endpoint_config(EndpointConfigName=name)
    return found
