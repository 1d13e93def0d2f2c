"""The cost model on costs that are known."""

from __future__ import annotations

import pytest
from bench.scenarios.growth import LONG, SHORT, Point, describe, fit


def points(fixed: float, per_byte: float, per_row: float) -> list[Point]:
    """Return points that cost exactly what the model says."""
    return [
        Point(rows, width, rows * size, workers, fixed + per_byte * rows * size + per_row * rows, 1.0)
        for rows in (1, 10, 100, 1000)
        for width, size in ((LONG, 280), (SHORT, 90))
        for workers in (2, 4)
    ]


def test_the_model_finds_its_three_costs() -> None:
    """A cost that is fixed + per byte + per row is taken apart, and every other point predicted."""
    known = points(120.0, 0.008, 1.5)
    assert fit([point for point in known if point.is_fitted]) == pytest.approx((120.0, 0.008, 1.5), rel=1e-6)
    assert describe(known)["worst_error"] == pytest.approx(0, abs=1e-6)


def test_a_point_off_the_model_is_an_error() -> None:
    """What it was not fitted to and costs a quarter more than predicted is a fifth off."""
    known = points(120.0, 0.008, 1.5)
    odd = next(point for point in known if not point.is_fitted)
    dear = Point(odd.rows, odd.width, odd.size, odd.workers, odd.us * 1.25, 1.0)
    described = describe([dear, *(point for point in known if point is not odd)])
    assert described["worst_error"] == pytest.approx(0.2, rel=1e-3)
