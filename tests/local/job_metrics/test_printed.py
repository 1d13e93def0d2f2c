"""Metrics that are published while logs grow."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlberth_local.job_metrics.printed import PrintedMetrics
from mlberth_local.log_files import LogWriter
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics, Point, Series

LOSS = [{"Name": "loss", "Regex": "loss=([^ ]+)"}]
SERIES = Series("N", "", {"TrainingJobName": "job"})


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[Metrics]:
    """Return a table of metrics."""
    database = Database(tmp_path / "db")
    yield Metrics(database)
    database.close()


def values(metrics: Metrics) -> list[float]:
    """Return what was published."""
    periods = metrics.periods(Series("N", "loss", SERIES.dimensions), 0, 1e12, 1e12)
    return sorted(point.sum for period in periods for point in period.points)


def test_each_is_published_once(metrics: Metrics, tmp_path: Path) -> None:
    """Those of several logs, while they grow, by one daemon after the other."""
    logs = {f"job/algo-{number}": tmp_path / f"{number}.jsonl" for number in (1, 2)}
    first, second = (LogWriter(path) for path in logs.values())
    for step in range(5):
        printed = PrintedMetrics(LOSS, logs, SERIES, metrics)
        for number in (2 * step, 2 * step + 1):
            first.feed(f"loss={number}\nnothing\n".encode())
            second.feed(b"loss=")
            printed.publish()
            second.feed(f"{100 + number}\n".encode())
            printed.publish()
            assert values(metrics) == [*range(number + 1), *range(100, 101 + number)]
    PrintedMetrics(LOSS, logs, SERIES, metrics).publish()
    assert values(metrics) == [*range(10), *range(100, 110)]


def test_points_and_position_are_written_together(metrics: Metrics, tmp_path: Path) -> None:
    """What could not be put is put the next time."""
    log = tmp_path / "1.jsonl"
    LogWriter(log).feed(b"loss=1\nloss=2\n")
    with pytest.raises(sqlite3.IntegrityError):
        metrics.put([(SERIES, Point(1.0, math.nan))], ("job", log.stat().st_size))
    assert metrics.position("job") == 0
    PrintedMetrics(LOSS, {"job": log}, SERIES, metrics).publish()
    assert values(metrics) == [1, 2]
    assert metrics.position("job") == log.stat().st_size
