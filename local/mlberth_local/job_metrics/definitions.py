"""Metrics found in a job's output by the regular expressions of its request."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from mlberth_local.log_files import LogEvent


def find(
    definitions: Sequence[Mapping[str, str]], events: Iterable[LogEvent]
) -> list[tuple[str, float, float]]:
    """Return name, value and time (seconds since the epoch) of each metric in some events, in their order.

    The value is the expression's first group, if that is a number; those without a place among the others,
    `nan` and `inf`, are left out, as the service does it.
    """
    patterns = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
    found = []
    for event in events:
        for name, pattern in patterns:
            for match in pattern.finditer(event.message):
                value = _number(match)
                if value is not None:
                    found.append((name, value, event.time / 1000))
    return found


def _number(match: re.Match[str]) -> float | None:
    try:
        value = float(match.group(1) if match.re.groups else match.group())
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def final(metrics: Iterable[tuple[str, float, float]]) -> list[dict[str, object]]:
    """Return the last value of each metric, as FinalMetricDataList has it."""
    last = {name: {"MetricName": name, "Value": value, "Timestamp": time} for name, value, time in metrics}
    return list(last.values())
