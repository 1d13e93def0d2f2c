"""Two clients and two workers with a predict of 100 ms, after 32 clients at once: nobody needs to wait."""

from __future__ import annotations

import statistics

from bench import data, ours
from bench.compare import Comparison
from bench.load import drive
from bench.server import WORKERS, running

_RUNS = 3
_SECONDS = 5.0


def measure(comparison: Comparison) -> dict[str, float]:
    """Return latencies in ms after the burst, the medians of several runs."""
    server = ours.make("fairness", handler="slow.py", answers_rows=False)
    case = comparison.cases[data.ONE_CSV]
    with running(server, comparison.place(server)) as run:
        request = run.request(case)
        runs = []
        for _ in range(_RUNS):
            burst = drive(run.address, request, clients=32, seconds=1.7)
            calm = drive(run.address, request, clients=WORKERS, seconds=_SECONDS, warm=0.3)
            assert burst.failed + calm.failed == 0, "requests failed"
            runs.append(calm)
    return {
        f"{name}_ms": statistics.median(result.percentile(share) * 1000 for result in runs)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
