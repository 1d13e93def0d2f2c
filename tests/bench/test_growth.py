"""The cost model on costs that are known."""

from __future__ import annotations

import pytest
from bench.scenarios.growth import LONG, SHORT, Point, describe, fit

COSTS = {"fixed_us": 120.0, "per_worker_us": 4.0, "per_byte_us": 0.008, "per_row_us": 1.5}


def points() -> list[Point]:
    """Return points that cost exactly what the model says."""
    return [
        Point(rows, width, rows * size, workers, 120 + 4 * workers + 0.008 * rows * size + 1.5 * rows, 1.0)
        for rows in (1, 10, 100, 1000)
        for width, size in ((LONG, 280), (SHORT, 90))
        for workers in (2, 4, 8)
    ]


def test_the_model_finds_its_costs() -> None:
    """A cost that is fixed, and by worker, byte and row, is taken apart, and every other point predicted."""
    known = points()
    assert fit([point for point in known if point.is_fitted]) == pytest.approx(COSTS, rel=1e-6)
    assert describe(known)["worst_error"] == pytest.approx(0, abs=1e-6)


def test_a_point_off_the_model_is_an_error() -> None:
    """What it was not fitted to and costs a quarter more than predicted is a fifth off."""
    known = points()
    odd = next(point for point in known if not point.is_fitted)
    dear = Point(odd.rows, odd.width, odd.size, odd.workers, odd.us * 1.25, 1.0)
    described = describe([dear, *(point for point in known if point is not odd)])
    assert described["worst_error"] == pytest.approx(0.2, rel=1e-3)
