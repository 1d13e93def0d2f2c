"""The gateway's counts as points of CloudWatch's metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlberth_local.store.metrics import Point, Series

NAMESPACE = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"
_ERRORS = ("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
_LATENCIES = ("ModelLatency", "OverheadLatency", "ModelSetupTime", "ContainerLatency")
_COUNTS = {"ModelCacheHit": NAMESPACE, "LoadedModelCount": _INSTANCES}
"""The metrics of multi-model endpoints that are no times, with their namespaces."""


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
    yield from _model_points(start, dimensions, tally["Models"])
    if not tally["Invocations"]:  # models were loaded or counted, and nobody got an answer in that time
        return
    yield from _shared_points(start, dimensions, tally)
    total, requests = tally["InvocationsPerInstance"], tally["Invocations"]
    each = total / requests
    yield Series(NAMESPACE, "InvocationsPerInstance", dimensions), Point(start, total, requests, each, each)


def _model_points(
    start: float, dimensions: Mapping[str, str], values: Mapping[str, Any]
) -> Iterator[tuple[Series, Point]]:
    """Yield what multi-model endpoints have."""
    for name, steps in values.items():
        series = Series(_COUNTS.get(name, NAMESPACE), name, dimensions)
        unit = "None" if name in _COUNTS else "Microseconds"
        for count, total, low, high in steps:
            yield series, Point(start, total, count, low, high, unit)


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
