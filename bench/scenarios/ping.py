"""`/ping` on an idle server."""

from __future__ import annotations

import statistics

from bench import ours
from bench.compare import Comparison
from bench.load import drive_at, prepare
from bench.server import running


def measure(comparison: Comparison) -> dict[str, float]:
    """Return the latency of /ping in ms, 200 times a second; the median of the runs."""
    server = ours.make("ping")
    request = prepare("/ping", b"", "", method="GET")
    with running(server, comparison.place(server)) as run:
        drive_at(run.address, request, rate=200, seconds=0.5)
        runs = [drive_at(run.address, request, rate=200, seconds=2) for _ in range(comparison.rounds)]
    return {
        f"{name}_ms": statistics.median(result.percentile(share) * 1000 for result in runs)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
