"""What is to be reached, each a ratio or a figure of one run, and whether it was."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench import data, ours

Results = Mapping[str, Any]
Find = Callable[[Results], float]
NONE = "–"  # noqa: RUF001 - a dash, as in any table
WIDE = 0.7
"""A bar that is missed by more than this factor fails a quick run, whatever the machine is busy with."""


@dataclass(frozen=True)
class Bar:
    """One figure to reach."""

    what: str
    bar: float
    find: Find
    """Raises KeyError, TypeError or ZeroDivisionError where it was not measured."""
    at_most: bool = False
    unit: str = ""
    quick: bool = False
    """Whether a quick run checks it."""


@dataclass(frozen=True)
class Outcome:
    """A bar beside what was measured."""

    bar: Bar
    value: float | None

    @property
    def share(self) -> float:
        """How much of the bar was reached; 1 and more is all of it."""
        assert self.value is not None
        if not self.bar.at_most:
            return self.value / self.bar.bar
        return self.bar.bar / self.value if self.value > 0 else math.inf

    @property
    def verdict(self) -> str:
        """Reached, missed or not measured."""
        if self.value is None:
            return "not measured"
        return "reached" if self.share >= 1 else "missed"

    def cells(self) -> tuple[str, str, str, str]:
        """Return what, bar, value and verdict for a table."""
        sign = "≤" if self.bar.at_most else "≥"
        value = NONE if self.value is None else f"{self.value:.3g}{self.bar.unit}"
        return self.bar.what, f"{sign} {self.bar.bar:g}{self.bar.unit}", value, self.verdict


def rate(results: Results, server: str, case: str) -> float:
    """Return requests per CPU second."""
    found: float = results["servers"][server]["cases"][case]["per_cpu_second"]
    return found


def _of(server: str, case: str, other: str, *, other_case: str = "") -> Find:
    return lambda results: rate(results, server, case) / rate(results, other, other_case or case)


def _of_fastest(server: str, case: str) -> Find:
    """Compare with the limit, or with our own code without a server where that is faster."""

    def find(results: Results) -> float:
        no_server = results["servers"].get(ours.NO_SERVER, {"cases": {}})["cases"].get(case, {})
        fastest: float = max(rate(results, LIMIT, case), no_server.get("per_cpu_second", 0.0))
        return rate(results, server, case) / fastest

    return find


def _unbatched(case: str, other: str) -> Find:
    """Compare with batching off, or with the defaults where there is no batching."""

    def find(results: Results) -> float:
        name = ours.UNBATCHED if ours.UNBATCHED in results["servers"] else ours.NAME
        return rate(results, name, case) / rate(results, other, case)

    return find


def _batched(find: Find) -> Find:
    """Refuse where nothing is batched: the figure would be another."""

    def checked(results: Results) -> float:
        if ours.UNBATCHED not in results["servers"]:
            raise KeyError(ours.UNBATCHED)
        return find(results)

    return checked


def _figure(*path: str) -> Find:
    def find(results: Results) -> float:
        value: Any = results
        for name in path:
            value = value[name]
        return float(value)

    return find


def _over(*pair: Find) -> Find:
    return lambda results: pair[0](results) / pair[1](results)


LIMIT = "the limit"
_ROWS = {
    "bring your own": [(data.ONE_CSV, 15.0), (data.THOUSAND_CSV, 2.5)],
    "multi-model-server": [
        (data.ONE_CSV, 10.0),
        (data.ONE_JSON, 6.0),
        (data.THOUSAND_CSV, 12.0),
        (data.FIVE_MB, 5.0),
    ],
    "LitServe": [(data.ONE_JSON, 8.0)],
    "MLServer": [(data.ONE_JSON, 9.0)],
    "BentoML": [(data.ONE_JSON, 11.0)],
    "MLflow": [(data.ONE_JSON, 9.0), (data.ONE_CSV, 20.0), (data.THOUSAND_CSV, 3.5)],
    "gthread + Flask": [(data.ONE_CSV, 3.5)],
}

BARS: list[Bar] = [
    Bar("1 row CSV, batching off, of the limit", 0.33, _unbatched(data.ONE_CSV, LIMIT), quick=True),
    Bar("1 row JSON, batching off, of the limit", 0.33, _unbatched(data.ONE_JSON, LIMIT), quick=True),
    Bar(
        "a handler that does nothing, of nginx to nginx",
        0.45,
        _of(ours.NOTHING, data.ONE_CSV, "nginx to nginx"),
        quick=True,
    ),
    Bar(
        "1 row CSV, batched, 32 clients, of the unbatched limit",
        0.5,
        _batched(_of(ours.NAME, data.ONE_CSV, LIMIT)),
        quick=True,
    ),
    Bar(
        "XGBoost, batched, 32 clients, of its unbatched limit",
        1.5,
        _batched(
            _over(_figure("batching", "xgboost", "per_cpu_second"), _figure("batching", "xgboost", "limit"))
        ),
        quick=True,
    ),
    *(
        Bar(f"{case} beside {peer}", bar, _of(ours.NAME, case, peer))
        for peer, rows in _ROWS.items()
        for case, bar in rows
    ),
    Bar("1000 rows CSV, of the limit", 0.8, _of(ours.NAME, data.THOUSAND_CSV, LIMIT), quick=True),
    Bar(
        "1000 rows CSV, of the fastest without a server",
        0.8,
        _of_fastest(ours.NAME, data.THOUSAND_CSV),
        quick=True,
    ),
    Bar("5 MB npy, of the limit", 0.2, _of(ours.NAME, data.FIVE_MB, LIMIT), quick=True),
    Bar(
        "p99 over p50 at half load, the best of the runs",
        2.0,
        _figure("servers", ours.NAME, "half_load", "ratio"),
        at_most=True,
    ),
    Bar("p99 of /ping, idle", 1.0, _figure("ping", "p99_ms"), at_most=True, unit=" ms"),
    Bar(
        "p99 with a predict of 100 ms, 2 workers and 2 clients, after 32 clients",
        130.0,
        _figure("fairness", "p99_ms"),
        at_most=True,
        unit=" ms",
    ),
    Bar(
        "start to the first 200, beyond the framework and the model",
        250.0,
        _figure("start", "beyond", "median_ms"),
        at_most=True,
        unit=" ms",
    ),
    Bar(
        "PyTorch at 32 clients, batched over unbatched requests per second",
        1.6,
        _over(
            _figure("batching", "torch", "batched_per_second"),
            _figure("batching", "torch", "unbatched_per_second"),
        ),
    ),
    Bar(
        "PyTorch at 32 clients, batched over unbatched p99",
        1.0,
        _over(
            _figure("batching", "torch", "batched_p99_ms"), _figure("batching", "torch", "unbatched_p99_ms")
        ),
        at_most=True,
    ),
    Bar(
        "the cost model's worst error",
        0.15,
        _figure("growth", "worst_error"),
        at_most=True,
    ),
]


def outcomes(results: Results, bars: list[Bar] | None = None) -> Iterator[Outcome]:
    """Yield every bar with what was measured."""
    for bar in BARS if bars is None else bars:
        try:
            yield Outcome(bar, bar.find(results))
        except (KeyError, TypeError, ZeroDivisionError):
            yield Outcome(bar, None)
