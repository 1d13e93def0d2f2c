"""Tests of what is counted, and how long it is kept for the daemon."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from statistics import quantiles

from tests.local.gateway.platform import one_port

from mlberth_local.gateway.metric_points import points
from mlberth_local.gateway.proxy import prometheus
from mlberth_local.gateway.proxy.invocation import Invocation, Step
from mlberth_local.gateway.proxy.request import Request
from mlberth_local.gateway.proxy.routes import Routes
from mlberth_local.gateway.proxy.tallies import Latencies, Tallies, upper_bound
from mlberth_local.gateway.table import Table
from mlberth_local.store.metrics import Point


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        """Return it."""
        return self.now


def invocation(model_seconds: float = 0.01) -> Invocation:
    """Return a request that was answered."""
    routes = Routes()
    routes.apply(Table((one_port(1),)))
    live = routes.endpoint("e")
    variant = live.variants["AllTraffic"]
    found = Invocation(Request("e", b"invocations", {}, b"", "id", 0.0), False, live, variant)
    found.fleet = variant.fleets[0]
    found.model_seconds, found.seconds = model_seconds, model_seconds + 0.001
    return found


def test_windows_wait_until_they_are_taken() -> None:
    """A daemon that is away for hours gets every count, older ones by the minute."""
    clock = Clock()
    tallies = Tallies(clock, window_seconds=5)
    one = invocation()
    for _ in range(2 * 3600 // 5):
        tallies.finished(one)
        clock.now += 5
        tallies.close_window()
    waiting = tallies.waiting()
    assert sum(tally.requests for _, window in waiting for tally in window.values()) == 2 * 3600 // 5
    assert 100 < len(waiting) < 250
    assert [start for start, _ in waiting] == sorted(start for start, _ in waiting)
    tallies.taken(len(waiting))
    assert tallies.waiting() == []
    assert tallies.totals()["e", "AllTraffic", ""].requests == 2 * 3600 // 5


def test_latencies_keep_their_percentiles() -> None:
    """Steps of 10 % are enough for a percentile that is off by at most that."""
    chance = random.Random(1)
    values = [chance.lognormvariate(8, 1) for _ in range(5000)]
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    steps = sorted(latencies.steps.items())
    assert sum(found[0] for _, found in steps) == 5000
    assert abs(sum(found[1] for _, found in steps) - sum(values)) < 1
    assert all(found[2] <= found[3] <= upper_bound(step) * 1e6 * 1.000001 for step, found in steps)
    wanted, seen = quantiles(values, n=100)[98], 0.0
    for _, (count, total, _, _) in steps:
        seen += count
        if seen >= 4950:
            assert abs(total / count / wanted - 1) < 0.1
            break


def test_containers_of_a_pipeline() -> None:
    """Each has its own requests, errors and latencies, beside those of the variant."""
    clock = Clock()
    tallies = Tallies(clock, window_seconds=5)
    for second in (Step("score", 0.03, 500), Step("score", 0.01, 0)):
        one = invocation()
        one.steps = [Step("prepare", 0.02, 200), second]
        tallies.finished(one)
    clock.now += 5
    tallies.close_window()
    [(start, window)] = tallies.waiting()
    report = [[start, *key, json.loads(json.dumps(tally.as_json()))] for key, tally in window.items()]
    found: dict[tuple[str, str], list[Point]] = {}
    for series, point in points(report):
        key = (series.dimensions.get("ContainerName", ""), series.name)
        found.setdefault(key, []).append(point)
    assert {name for container, name in found if container} == {
        "ContainerLatency",
        "Invocations",
        "Invocation4XXErrors",
        "Invocation5XXErrors",
    }
    assert [point.sum for point in found["prepare", "Invocations"]] == [2]
    assert [point.sum for point in found["score", "Invocation5XXErrors"]] == [1]
    assert round(sum(point.sum for point in found["score", "ContainerLatency"])) == 40_000
    assert [point.sum for point in found["", "Invocations"]] == [2]


def test_prometheus_text() -> None:
    tallies = Tallies(Clock(), window_seconds=5)
    for seconds in (0.0002, 0.02, 0.02, 30.0):
        tallies.finished(invocation(seconds))
    text = prometheus.text(tallies.totals(), {("e", "AllTraffic"): 3})
    labels = 'endpoint="e",variant="AllTraffic"'
    lines = text.splitlines()
    assert f"mlberth_invocations_total{{{labels}}} 4" in lines
    assert f"mlberth_invocations_in_flight{{{labels}}} 3" in lines
    counts = [int(line.split()[1]) for line in lines if "model_latency_seconds_bucket" in line]
    assert counts == sorted(counts)
    assert counts[-1] == 4
    assert f'mlberth_model_latency_seconds_bucket{{{labels},le="0.0215443"}} 3' in lines
    assert f"mlberth_model_latency_seconds_sum{{{labels}}} 30.0402" in lines


def test_models_are_counted_without_requests() -> None:
    """An unload in a quiet time has its metric, and no metric of requests comes with it."""
    clock = Clock()
    tallies = Tallies(clock, window_seconds=5)
    tallies.note(("e", "v", ""), "ModelUnloadingTime", 0.25)
    tallies.note_loaded(("e", "v", ""), 3)
    clock.now += 5
    tallies.close_window()
    [(start, window)] = tallies.waiting()
    found = list(points([[start, *key, tally.as_json()] for key, tally in window.items()]))
    assert [(series.namespace, series.name, point.sum, point.unit) for series, point in found] == [
        ("AWS/SageMaker", "ModelUnloadingTime", 250_000.0, "Microseconds"),
        ("/aws/sagemaker/Endpoints", "LoadedModelCount", 3, "None"),
    ]
