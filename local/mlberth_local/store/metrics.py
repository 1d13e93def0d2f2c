"""Metrics: numbers with a name, dimensions and a time, and their statistics over periods."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mlberth_local.store.database import Database

_AFTER_ALL = 1e18
"""Later than any time."""


@dataclass(frozen=True)
class Series:
    """The metric that points belong to."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One value, or a set of values of which only the statistics are known."""

    time: float
    """Seconds since the epoch."""
    sum: float
    count: float = 1
    low: float = math.nan
    high: float = math.nan
    unit: str = "None"


@dataclass(frozen=True)
class Period:
    """The points of one period, from `start` on."""

    start: float
    points: list[Point]

    def statistic(self, name: str) -> float:
        """Return `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile (`p99.9`)."""
        count, total = sum(point.count for point in self.points), sum(point.sum for point in self.points)
        if name == "SampleCount":
            return count
        if name == "Sum":
            return total
        if name == "Average":
            return total / count if count else 0.0
        if name == "Minimum":
            return min(point.low for point in self.points)
        if name == "Maximum":
            return max(point.high for point in self.points)
        return self._percentile(float(name.removeprefix("p")))

    @property
    def has_values(self) -> bool:
        """Whether every value is known, and with them the percentiles.

        Of other sets statistics alone are known; one whose values are within 11 % is as good as values.
        """
        return all(
            point.count <= 1 or 0 <= point.high - point.low <= 0.11 * abs(point.low) for point in self.points
        )

    def _percentile(self, percent: float) -> float:
        """Return the smallest value that so many per cent of the samples do not exceed."""
        values = sorted((point.sum / (point.count or 1), point.count) for point in self.points)
        wanted = sum(count for _, count in values) * percent / 100
        for value, count in values:
            wanted -= count
            if wanted <= 0:
                return value
        return values[-1][0]


class Metrics:
    """The table of metrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, points: Iterable[tuple[Series, Point]], source: tuple[str, int] | None = None) -> None:
        """Add points; with them, the name and the position of where they were read up to, if it has any."""
        rows = [
            (
                *key_of(series),
                point.time,
                point.unit,
                point.count,
                point.sum,
                point.sum if math.isnan(point.low) else point.low,
                point.sum if math.isnan(point.high) else point.high,
            )
            for series, point in points
        ]
        with self._database.transaction() as connection:
            connection.executemany("INSERT INTO metric VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if source:
                connection.execute("INSERT OR REPLACE INTO metric_source VALUES (?, ?)", source)

    def position(self, source: str) -> int:
        """Return up to where the points of a source were put; 0 before the first ones."""
        rows = self._database.read("SELECT position FROM metric_source WHERE name = ?", (source,))
        return int(rows[0][0]) if rows else 0

    def periods(
        self, series: Series, start: float, end: float, length: float, unit: str = ""
    ) -> list[Period]:
        """Return the periods from `start` up to `end` that have points; `length` is in seconds."""
        rows = self._database.read(
            "SELECT time, sum, count, low, high, unit FROM metric WHERE namespace = ? AND name = ? "
            "AND dimensions = ? AND time >= ? AND time < ? AND (? = '' OR unit = ?) ORDER BY time",
            (*key_of(series), start, end, unit, unit),
        )
        found: dict[float, list[Point]] = {}
        for row in rows:
            point = Point(*row)
            found.setdefault(point.time // length * length, []).append(point)
        return [Period(at, points) for at, points in found.items()]

    def totals(self, series: Series, start: float, end: float, length: float, unit: str = "") -> list[Period]:
        """Return the same periods with one point each, made by SQLite: enough for all but percentiles."""
        rows = self._database.read(
            "SELECT CAST(time / ? AS INTEGER) * ?, SUM(sum), SUM(count), MIN(low), MAX(high), MIN(unit)"
            " FROM metric WHERE namespace = ? AND name = ? AND dimensions = ? AND time >= ? AND time < ?"
            " AND (? = '' OR unit = ?) GROUP BY 1 ORDER BY 1",
            (length, length, *key_of(series), start, end, unit, unit),
        )
        return [Period(row[0], [Point(*row)]) for row in rows]

    def series(self, namespace: str = "", name: str = "") -> list[Series]:
        """Return all metrics, or those of a namespace or a name."""
        # From one metric to the next in the index: DISTINCT would read every point.
        found, last = [], (namespace, "", "")
        while rows := self._database.read(
            "SELECT namespace, name, dimensions FROM metric"
            " WHERE (namespace, name, dimensions, time) > (?, ?, ?, ?)"
            " ORDER BY namespace, name, dimensions, time LIMIT 1",
            (*last, _AFTER_ALL),
        ):
            last = tuple(rows[0])
            if namespace and last[0] != namespace:
                break
            if name in {"", last[1]}:
                found.append(Series(last[0], last[1], json.loads(last[2])))
        return found


def key_of(series: Series) -> tuple[str, str, str]:
    """Return the columns of a metric's rows: namespace, name, and dimensions as JSON."""
    return series.namespace, series.name, json.dumps(dict(sorted(series.dimensions.items())))
