"""Measurements of a load test: which stage counts, and when there is nothing more to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FLAT_GAIN = 1.05
_FLAT_STAGES = 2
"""So many stages that answer no more than this times what earlier ones did: there is no more to have."""
_DEFAULT_PERCENTILE = "P95"


@dataclass(frozen=True, eq=False)  # two stages are never the same
class Window:
    """What has come of the requests of one stage. Latencies are in milliseconds."""

    users: int
    seconds: float
    answered: int
    failures: Mapping[str, int]
    """What went wrong, and how often."""
    p95: float
    p99: float
    mean: float

    @property
    def per_minute(self) -> int:
        """Answered requests a minute."""
        return int(self.answered * 60 / self.seconds)

    @property
    def first_failure(self) -> str:
        """What went wrong most often; empty if nothing did."""
        return max(self.failures, key=lambda text: self.failures[text], default="")

    def __str__(self) -> str:
        text = f"{self.per_minute} invocations a minute, P95 {self.p95:.1f} ms, P99 {self.p99:.1f} ms"
        failed = sum(self.failures.values())
        return f"{text}, {failed} failed ({self.first_failure})" if failed else text


@dataclass(frozen=True)
class Conditions:
    """When a load test stops, and which of its stages may count: the platform's `StoppingConditions`."""

    percentile: str = _DEFAULT_PERCENTILE
    """`P95` or `P99`."""
    threshold: float | None = None
    """In milliseconds."""
    most_per_minute: int | None = None
    stops_when_flat: bool = True

    def latency(self, window: Window) -> float:
        """Return the latency of the percentile that counts."""
        return window.p99 if self.percentile == "P99" else window.p95

    def are_met(self, window: Window) -> bool:
        """Return whether a stage may count: each request was answered, and fast enough."""
        is_fast = self.threshold is None or self.latency(window) <= self.threshold
        return bool(window.answered) and not window.failures and is_fast

    def end(self, windows: Sequence[Window]) -> str:
        """Return why the stages need not go on; empty if they must."""
        last = windows[-1]
        if self.most_per_minute is not None and last.per_minute >= self.most_per_minute:
            return f"MaxInvocations is reached: {last.per_minute} a minute"
        if last.failures:
            return f"requests fail: {last.first_failure}"
        if not self.are_met(last):
            return f"{self.percentile} is {self.latency(last):.1f} ms, more than {self.threshold:g} ms"
        before, latest = windows[:-_FLAT_STAGES], windows[-_FLAT_STAGES:]
        best = max((one.per_minute for one in before), default=0)
        if self.stops_when_flat and before and all(one.per_minute <= best * _FLAT_GAIN for one in latest):
            return f"more users bring no more invocations: {best} a minute"
        return ""


def conditions_of(request: Mapping[str, Any]) -> Conditions:
    """Return the conditions of a request of CreateInferenceRecommendationsJob."""
    given = request.get("StoppingConditions") or {}
    [threshold] = given.get("ModelLatencyThresholds") or [{}]
    return Conditions(
        threshold.get("Percentile") or _DEFAULT_PERCENTILE,
        threshold.get("ValueInMilliseconds"),
        given.get("MaxInvocations"),
        given.get("FlatInvocations") != "Continue",
    )


def chosen(windows: Sequence[Window], conditions: Conditions) -> Window:
    """Return the stage that counts: of those that meet the conditions the one with most invocations.

    If none does, it is the one that comes nearest.
    """
    met = [one for one in windows if conditions.are_met(one)]
    if met:
        return max(met, key=lambda one: one.per_minute)
    return min(windows, key=lambda one: (not one.answered, bool(one.failures), conditions.latency(one)))
