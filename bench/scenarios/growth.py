"""What a request costs as it grows, and as there are more workers; a model of the cost, and its error.

The model is `fixed + per worker + per byte + per row`, in CPU time of the whole tree: of more workers than
CPUs each finds less to do in a turn. It is fitted to the smallest and the largest requests, in two widths of
numbers with two workers, and in one with the fewest and the most; everything else is predicted. Batching is
off: with it the fixed part is shared by as many requests as happen to be there. The number of clients is the
same for all, since the more there are, the less a request costs.
"""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench import data, ours
from bench.compare import Comparison, measure, say
from bench.server import WORKERS, Running, running
from scipy.optimize import nnls

ROWS = (1, 10, 100, 1000)
COUNTS = (1, 2, 4, 8)
LONG, SHORT = "long", "short"
_FITTED_ROWS = (ROWS[0], ROWS[-1])
_FITTED_COUNTS = (COUNTS[0], WORKERS, COUNTS[-1])
_CLIENTS = 16
_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """One kind of request on one number of workers."""

    rows: int
    width: str
    size: int
    """The body's length in bytes."""
    workers: int
    us: float
    """CPU time of a request, in microseconds."""
    per_second: float

    @property
    def is_fitted(self) -> bool:
        """Whether the model is fitted to it; every other point is predicted."""
        return self.rows in _FITTED_ROWS and self.workers in _FITTED_COUNTS


def requests(base: Any) -> list[tuple[int, str, data.Case]]:
    """Return requests of 1 to 1000 rows, with all digits and with few."""
    found = []
    for rows in ROWS:
        taken = np.tile(base, (2, 1))[:rows]
        for width, numbers in ((LONG, taken / 3), (SHORT, np.round(taken))):
            found.append((rows, width, data.Case(f"{rows} rows, {width}", data.CSV, numbers, _CLIENTS)))
    return found


def take(comparison: Comparison) -> dict[str, Any]:
    """Measure every point, fit the model, and return both."""
    server = ours.make(ours.UNBATCHED, settings={ours.BATCH_SIZE: "1"} if ours.can_batch() else {})
    asked = requests(comparison.cases[data.THOUSAND_CSV].rows)
    seen: dict[tuple[int, str, int, int], list[dict[str, float]]] = {}
    with contextlib.ExitStack() as stack:
        runs: dict[int, Running] = {}
        for count in COUNTS:
            place = comparison.place(server, count, f"growth-{count}")
            runs[count] = stack.enter_context(running(server, place))
        for number in range(comparison.rounds):
            say(f"growth, round {number + 1} of {comparison.rounds}")
            for rows, width, case in asked:
                for count in COUNTS if width == LONG else (WORKERS,):
                    found = measure(runs[count], case, _SECONDS)
                    seen.setdefault((rows, width, len(case.body), count), []).append(found)
    points = [
        Point(
            *key,
            us=1e6 / statistics.median(one["per_cpu_second"] for one in found),
            per_second=statistics.median(one["per_second"] for one in found),
        )
        for key, found in seen.items()
    ]
    return describe(points)


def describe(points: list[Point]) -> dict[str, Any]:
    """Return the points with what the fitted model says of them."""
    terms = fit([point for point in points if point.is_fitted])
    described: list[dict[str, Any]] = [
        {
            "rows": point.rows,
            "width": point.width,
            "bytes": point.size,
            "workers": point.workers,
            "us": point.us,
            "per_second": point.per_second,
            "predicted_us": float(np.dot(factors(point), list(terms.values()))),
            "fitted": point.is_fitted,
        }
        for point in points
    ]
    errors = [abs(one["predicted_us"] / one["us"] - 1) for one in described if not one["fitted"]]
    return {
        **terms,
        "points": described,
        "median_error": statistics.median(errors),
        "worst_error": max(errors),
    }


def factors(point: Point) -> list[float]:
    """Return what the terms of the model are multiplied with."""
    return [1, point.workers, point.size, point.rows]


def fit(points: list[Point]) -> dict[str, float]:
    """Return the terms of the best fit in microseconds: fixed, and for each worker, byte and row."""
    matrix = np.array([factors(point) for point in points], float)
    scale = np.array([point.us for point in points])
    terms = nnls(matrix / scale[:, None], np.ones(len(points)))[0]
    names = ("fixed_us", "per_worker_us", "per_byte_us", "per_row_us")
    return dict(zip(names, map(float, terms), strict=True))
