"""The comparison of a shadow variant with production: agreement, differences, latencies and errors."""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlberth.metrics.plot import Line
from mlberth_local.reports.comparison import Difference, compare

_SIDES = ("production", "shadow")
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_POINTS = 200
"""Of each curve."""
_SUCCESS = 200


def read_copies(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what the gateway has noted of each copy, oldest first; a line that is cut off is left out."""
    for path in sorted(folder.rglob("*.jsonl*")):
        for line in path.read_bytes().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


class ShadowReport:
    """The report of one shadow variant; `add` each copy, then read."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._dropped = 0
        self._statuses: dict[str, Counter[int]] = {side: Counter() for side in _SIDES}
        self._seconds: dict[str, list[float]] = {side: [] for side in _SIDES}
        self._differences: list[Difference] = []
        self._disagreements = 0

    def add(self, copy: dict[str, Any]) -> None:
        """Take a copy's line."""
        self._dropped += copy["dropped"]
        for side in _SIDES:
            self._statuses[side][copy[side]["status"]] += 1
            if copy[side]["seconds"] is not None:
                self._seconds[side].append(copy[side]["seconds"])
        one, other = copy["production"], copy["shadow"]
        if one["status"] != other["status"]:
            self._disagreements += 1
        elif "body" in one and "body" in other:
            bodies = b64decode(one["body"]), b64decode(other["body"])
            self._differences.append(compare(*bodies, one.get("type", ""), self._tolerance))

    def as_json(self) -> dict[str, Any]:
        """Return the report; times are milliseconds."""
        compared = len(self._differences)
        equal = sum(one.is_equal for one in self._differences)
        close = sum(one.is_close for one in self._differences)
        gaps = [one.largest for one in self._differences if one.largest is not None]
        return {
            "copies": sum(self._statuses["shadow"].values()),
            "dropped": self._dropped,
            "compared": compared,
            "equal": equal,
            "within_tolerance": close,
            "tolerance": self._tolerance,
            "agreement": close / compared if compared else None,
            "other_shape": sum(one.largest is None for one in self._differences),
            "largest_difference": max(gaps, default=None),
            "different_status": self._disagreements,
            **{side: self._side(side) for side in _SIDES},
        }

    def _side(self, side: str) -> dict[str, Any]:
        seconds = sorted(self._seconds[side])
        statuses = self._statuses[side]
        return {
            "errors": sum(count for status, count in statuses.items() if status != _SUCCESS),
            "statuses": {str(status): count for status, count in sorted(statuses.items())},
            "milliseconds": {name: _at(seconds, part) for name, part in _QUANTILES.items()},
        }

    def charts(self) -> dict[str, dict[str, Line]]:
        """Return the curves of a page: latencies and differences by the part of the requests below them."""
        charts = {"latency (ms) by percentile": {side: _curve(self._seconds[side], 1000) for side in _SIDES}}
        gaps = [one.largest for one in self._differences if one.largest is not None]
        charts["largest difference by percentile"] = {"shadow": _curve(gaps, 1)}
        return {
            name: {side: line for side, line in lines.items() if line.points}
            for name, lines in charts.items()
            if any(line.points for line in lines.values())
        }


def _at(ordered: list[float], part: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)] * 1000, 3)


def _curve(values: Iterable[float], factor: float) -> Line:
    line, ordered = Line(), sorted(values)
    for number in range(_POINTS + 1) if ordered else ():
        part = number / _POINTS
        line.add(100 * part, factor * ordered[round(part * (len(ordered) - 1))])
    return line
