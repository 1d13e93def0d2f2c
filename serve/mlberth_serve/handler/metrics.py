"""A handler's own counters and measures: `context.metrics`, with the multi-model-server's methods.

Source: `mms/metrics/metrics_store.py` of multi-model-server; TorchServe's `add_metric` has the unit third.
"""

# ruff: noqa: ARG002 - the signatures are the peers'

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

log = logging.getLogger(__name__)

Dimensions = Iterable[Any] | None
"""The peers' `Dimension` objects, with `name` and `value`."""


class Sink(Protocol):
    """Where the values go."""

    def record(self, kind: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        """Take one value; `kind` is counter, time, size, percent, error or metric."""


class NoSink:
    """Where nobody collects the values."""

    def record(self, kind: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        """Forget the value."""


class HandlerMetrics:
    """Hands each value to a sink; `idx`, a place in the peers' batches, is taken and not used."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def add_counter(self, name: str, value: float, idx: object = None, dimensions: Dimensions = None) -> None:
        """Add to a counter."""
        self._record("counter", name, value, "count", dimensions)

    def add_time(
        self, name: str, value: float, idx: object = None, unit: str = "ms", dimensions: Dimensions = None
    ) -> None:
        """Add a duration in "ms" or "s"."""
        self._record("time", name, value, _one_of(unit, "ms", "s"), dimensions)

    def add_size(
        self, name: str, value: float, idx: object = None, unit: str = "MB", dimensions: Dimensions = None
    ) -> None:
        """Add a size in "kB", "MB" or "GB"."""
        self._record("size", name, value, _one_of(unit, "kB", "MB", "GB"), dimensions)

    def add_percent(self, name: str, value: float, idx: object = None, dimensions: Dimensions = None) -> None:
        """Add a share in percent."""
        self._record("percent", name, value, "percent", dimensions)

    def add_error(self, name: str, value: object, dimensions: Dimensions = None) -> None:
        """Count an error, and write what it says into the log."""
        log.error("%s: %s", name, value)
        self._record("error", name, 1, "count", dimensions)

    def add_metric(
        self,
        name: str,
        value: float,
        idx: object = None,
        unit: str | None = None,
        dimensions: Dimensions = None,
        **_more: object,
    ) -> None:
        """Add a value of a unit of one's own."""
        if isinstance(idx, str):  # TorchServe's order
            unit = idx
        self._record("metric", name, value, unit or "", dimensions)

    def _record(self, kind: str, name: str, value: float, unit: str, dimensions: Dimensions) -> None:
        named = {_text(dimension.name): _text(dimension.value) for dimension in dimensions or ()}
        self._sink.record(kind, _text(name), value, unit, named)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a whole number of too many digits, or a fault of the value's own class
        return "unprintable"


def _one_of(unit: str, *units: str) -> str:
    if unit not in units:
        raise ValueError(f"unit {unit!r} is none of {', '.join(units)}")
    return unit
