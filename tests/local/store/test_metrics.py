"""Tests of the table of metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics, Point, Series

EVERY = [
    Series("A", "x", {"d": "1"}),
    Series("A", "x", {}),
    Series("A", "y", {"d": "1", "e": "2"}),
    Series("B", "x", {}),
]


@pytest.mark.parametrize(
    ("namespace", "name", "found"),
    [("", "", [0, 1, 2, 3]), ("A", "", [0, 1, 2]), ("", "x", [0, 1, 3]), ("A", "y", [2]), ("C", "", [])],
)
def test_series_are_found_once(tmp_path: Path, namespace: str, name: str, found: list[int]) -> None:
    """In their order, by namespace and name."""
    database = Database(tmp_path / "db")
    metrics = Metrics(database)
    metrics.put((series, Point(time, 1.0)) for time in (3.0, 1.0, 2.0) for series in reversed(EVERY))
    assert metrics.series(namespace, name) == [EVERY[index] for index in found]
    database.close()
