"""Tests of metrics that come of age."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth_local.store.database import Database
from mlberth_local.store.metric_rollup import KEPT_SECONDS, roll_up
from mlberth_local.store.metrics import Metrics, Point, Series

NOW = 1_800_000_000.0
SERIES = Series("N", "latency", {"a": "b"})
STATISTICS = ("Sum", "SampleCount", "Minimum", "Maximum", "Average")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Open a store."""
    found = Database(tmp_path / "db")
    yield found
    found.close()


def count(database: Database) -> int:
    """Return how many rows there are."""
    return int(database.read("SELECT COUNT(*) FROM metric")[0][0])


@pytest.mark.parametrize(("days", "length"), [(1, 60), (20, 300), (100, 3600)])
def test_statistics_of_periods_stay(database: Database, days: int, length: int) -> None:
    """Exactly, and percentiles within 11 %."""
    metrics, source = Metrics(database), random.Random(days)
    start = NOW - days * 86400
    values = [(start + second, source.lognormvariate(10, 1)) for second in range(0, 7200, 2)]
    metrics.put((SERIES, Point(time, value)) for time, value in values)
    names = (*STATISTICS, "p50", "p99")

    def statistics() -> list[list[float]]:
        periods = metrics.periods(SERIES, start // 3600 * 3600, start + 10_800, length)
        assert all(period.has_values for period in periods)
        return [[period.start, *(period.statistic(name) for name in names)] for period in periods]

    before, rows = statistics(), count(database)
    roll_up(database, metrics, NOW)
    for old, new in zip(before, statistics(), strict=True):
        assert new[:6] == pytest.approx(old[:6])
        assert new[6:] == pytest.approx(old[6:], rel=0.11)
    assert count(database) < rows
    kept = count(database)
    roll_up(database, metrics, NOW)
    database_rows = count(database)
    assert database_rows == kept


def test_what_is_new_stays_as_it_is(database: Database) -> None:
    metrics = Metrics(database)
    metrics.put((SERIES, Point(NOW - 10 * second, 1.0)) for second in range(900))
    roll_up(database, metrics, NOW)
    assert count(database) == 900


def test_later_points_are_gathered_when_they_come_of_age(database: Database) -> None:
    metrics = Metrics(database)
    for hours in range(6):
        now = NOW + hours * 3600
        metrics.put((SERIES, Point(now + second, 1.0)) for second in range(0, 3600, 10))
        roll_up(database, metrics, now + 3600)
    found = metrics.periods(SERIES, NOW, NOW + 6 * 3600, 3600)
    assert [period.statistic("SampleCount") for period in found] == [360] * 6
    assert [len(period.points) for period in found] == [60, 60, 60, 360, 360, 360]


def test_the_oldest_go(database: Database) -> None:
    metrics = Metrics(database)
    metrics.put([(SERIES, Point(NOW - KEPT_SECONDS - 1, 1.0)), (SERIES, Point(NOW, 1.0))])
    roll_up(database, metrics, NOW)
    assert count(database) == 1


def test_units_and_signs_stay_apart(database: Database) -> None:
    metrics = Metrics(database)
    points = [
        Point(NOW - 86400, value, unit=unit) for value in (-1.0, 0.0, 1.0) for unit in ("Count", "None")
    ]
    metrics.put((SERIES, point) for point in points)
    roll_up(database, metrics, NOW)
    assert count(database) == 6


def test_totals_are_the_statistics_of_all_points(database: Database) -> None:
    metrics, source = Metrics(database), random.Random(1)
    points = [Point(NOW + source.uniform(0, 600), source.gauss(0, 5)) for _ in range(500)]
    metrics.put((SERIES, point) for point in points)
    for length in (60, 10, 0.5, 300):
        pairs = zip(
            metrics.periods(SERIES, NOW, NOW + 600, length),
            metrics.totals(SERIES, NOW, NOW + 600, length),
            strict=True,
        )
        for one, other in pairs:
            assert one.start == other.start
            for name in STATISTICS:
                assert one.statistic(name) == pytest.approx(other.statistic(name))
