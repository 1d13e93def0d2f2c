"""The metrics of asynchronous endpoints. Source of the names: the namespace AWS/SageMaker."""

from __future__ import annotations

from collections.abc import Iterator

from mlberth_local.gateway.metric_points import NAMESPACE
from mlberth_local.store.metrics import Point, Series

_MILLISECONDS = "Milliseconds"


def backlog(
    endpoint: str, waiting: int, oldest: float, instances: int, now: float
) -> Iterator[tuple[Series, Point]]:
    """Yield what an endpoint's queue is at a moment; `oldest` is the age of the oldest request in seconds."""
    values = {
        "ApproximateBacklogSize": (waiting, "Count"),
        "ApproximateBacklogSizePerInstance": (waiting / (instances or 1), "Count"),
        "ApproximateAgeOfOldestRequest": (oldest, "Seconds"),
        "HasBacklogWithoutCapacity": (float(waiting > 0 and instances == 0), "Count"),
    }
    for name, (value, unit) in values.items():
        yield Series(NAMESPACE, name, {"EndpointName": endpoint}), Point(now, value, unit=unit)


def counted(endpoint: str, variant: str, name: str, now: float) -> tuple[Series, Point]:
    """Return one more of what has happened (`ExpiredRequests`, `InvocationFailures`, …)."""
    return _series(endpoint, variant, name), Point(now, 1, unit="Count")


def took(endpoint: str, variant: str, name: str, seconds: float, now: float) -> tuple[Series, Point]:
    """Return how long something took: `TimeInBacklog`, `TotalProcessingTime`, …, in milliseconds."""
    return _series(endpoint, variant, name), Point(now, 1000 * seconds, unit=_MILLISECONDS)


def _series(endpoint: str, variant: str, name: str) -> Series:
    dimensions = {"EndpointName": endpoint} | ({"VariantName": variant} if variant else {})
    return Series(NAMESPACE, name, dimensions)
