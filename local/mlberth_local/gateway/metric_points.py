"""The gateway's counts as points of CloudWatch's metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlberth_local.store.metrics import Point, Series

NAMESPACE = "AWS/SageMaker"
_ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
_LATENCIES = ("ModelLatency", "OverheadLatency", "ModelSetupTime", "ContainerLatency")


def points(report: Iterable[list[Any]]) -> Iterator[tuple[Series, Point]]:
    """Yield the points of a report: those of a variant, and of its endpoint configuration if that is named.

    A variant with several containers has those of each, too. A report has lists of start (seconds), endpoint,
    variant, configuration (or ""), and `Tally.as_json`. Latencies are in microseconds; an error is 1, any
    other request 0, so that the average of a metric of errors is their rate. Source: the platform's metrics.
    """
    for start, endpoint, variant, config, tally in report:
        dimensions = {"EndpointName": endpoint, "VariantName": variant}
        yield from _points(start, dimensions, tally)
        for name, one in tally.get("Containers", {}).items():
            yield from _shared_points(start, {**dimensions, "ContainerName": name}, one)
        if config:
            yield from _points(start, {**dimensions, "EndpointConfigName": config}, tally)


def _points(
    start: float, dimensions: Mapping[str, str], tally: Mapping[str, Any]
) -> Iterator[tuple[Series, Point]]:
    yield from _shared_points(start, dimensions, tally)
    total, requests = tally["InvocationsPerInstance"], tally["Invocations"]
    each = total / requests
    yield Series(NAMESPACE, "InvocationsPerInstance", dimensions), Point(start, total, requests, each, each)


def _shared_points(
    start: float, dimensions: Mapping[str, str], tally: Mapping[str, Any]
) -> Iterator[tuple[Series, Point]]:
    """Yield what both a variant and a container have."""
    requests = tally["Invocations"]
    yield Series(NAMESPACE, "Invocations", dimensions), Point(start, requests, requests, 1, 1)
    for name in _ERRORS:
        if name in tally:
            errors = tally[name]
            low, high = float(errors == requests), float(errors > 0)
            yield Series(NAMESPACE, name, dimensions), Point(start, errors, requests, low, high)
    for name in _LATENCIES:
        for count, total, low, high in tally.get(name, ()):
            yield Series(NAMESPACE, name, dimensions), Point(start, total, count, low, high, "Microseconds")
