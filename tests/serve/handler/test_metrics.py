"""What a handler counts and measures."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from mlberth_serve.handler.metrics import HandlerMetrics


class Collected:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.values: list[tuple[str, str, float, str, Mapping[str, str]]] = []

    def record(self, kind: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        """Keep one value."""
        self.values.append((kind, name, value, unit, dimensions))


def test_the_peers_methods_reach_the_sink(caplog: pytest.LogCaptureFixture) -> None:
    """Each method of the multi-model-server, with and without a place in a batch, hands over one value."""
    sink = Collected()
    metrics = HandlerMetrics(sink)
    metrics.add_counter("rows", 3, idx=0)
    metrics.add_time("decode", 1.5)
    metrics.add_time("decode", 2, None, "s")
    metrics.add_size("body", 4, unit="kB", dimensions=[SimpleNamespace(name="Kind", value="csv")])
    metrics.add_percent("filled", 50)
    metrics.add_error("Broken", "the reason")
    metrics.add_metric("score", 0.5, None, "points")
    metrics.add_metric("score", 0.5, "points")
    assert sink.values == [
        ("counter", "rows", 3, "count", {}),
        ("time", "decode", 1.5, "ms", {}),
        ("time", "decode", 2, "s", {}),
        ("size", "body", 4, "kB", {"Kind": "csv"}),
        ("percent", "filled", 50, "percent", {}),
        ("error", "Broken", 1, "count", {}),
        ("metric", "score", 0.5, "points", {}),
        ("metric", "score", 0.5, "points", {}),
    ]
    assert "Broken: the reason" in caplog.text


def test_unknown_units_are_refused() -> None:
    """A duration in minutes is an error, as it is there."""
    with pytest.raises(ValueError, match="minutes"):
        HandlerMetrics(Collected()).add_time("decode", 1, unit="minutes")
