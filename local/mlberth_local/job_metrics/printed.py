"""Metrics that the programs of a job print, published while their logs grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlberth_local.job_metrics.definitions import find
from mlberth_local.log_files import read_events
from mlberth_local.store.metrics import Metrics, Point, Series

_MOST_EVENTS = 10_000
"""In one transaction."""


class PrintedMetrics:
    """Each metric that is in the logs of a job is published once, whichever daemon comes to it."""

    def __init__(
        self,
        definitions: Sequence[Mapping[str, str]],
        logs: Mapping[str, Path],
        series: Series,
        metrics: Metrics,
    ) -> None:
        """Take the logs by names that stay the same; `series` has all of a metric but its name."""
        self._definitions = definitions
        self._logs = logs
        self._series = series
        self._metrics = metrics
        self._positions: dict[str, int] = {}

    def publish(self) -> None:
        """Publish what is new."""
        for source, path in self._logs.items() if self._definitions else ():
            while self._publish_next(source, path):
                pass

    def _publish_next(self, source: str, path: Path) -> bool:
        """Publish the next metrics of a log; returns whether there may be more."""
        start = self._positions.get(source)
        if start is None:
            start = self._metrics.position(source)
        events = []
        for event in read_events(path, start):
            events.append(event)
            if len(events) == _MOST_EVENTS:
                break
        if not events:
            return False
        end = events[-1].end
        found = find(self._definitions, events)
        if found:  # else a later daemon may read these lines again
            self._metrics.put(
                ((self._named(name), Point(time, value)) for name, value, time in found), (source, end)
            )
        self._positions[source] = end
        return len(events) == _MOST_EVENTS

    def _named(self, name: str) -> Series:
        return Series(self._series.namespace, name, self._series.dimensions)
