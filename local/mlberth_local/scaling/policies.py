"""The number of instances that a policy asks for; pure functions.

Source: "Target tracking" and "Step scaling policies" of the Application Auto Scaling User Guide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

SCALE_IN_SHARE = 0.9
"""The part of the target below which a variant has too many instances."""
PERIODS_OUT, PERIODS_IN = 3, 15
"""How many periods must be above the target, or below its share, before anything follows."""
DEFAULT_COOLDOWN_MINUTES = 5.0


def tracked_count(current: int, value: float, target: float) -> int:
    """Return how many instances bring a metric to its target, if it falls as they grow in number."""
    # Rounded first: 2.0000000001 instances are two.
    return max(0, math.ceil(round(current * value / target, 6)))


def stepped_count(current: int, breach: float, config: Mapping[str, Any]) -> int:
    """Return the number of instances after the step for a breach: the metric less the alarm's threshold."""
    for step in config.get("StepAdjustments") or ():
        lower = step.get("MetricIntervalLowerBound", -math.inf)
        upper = step.get("MetricIntervalUpperBound", math.inf)
        # A bound belongs to the interval that is further away from the threshold.
        inside = lower < breach <= upper if upper <= 0 else lower <= breach < upper
        if inside:
            return _adjusted(current, step["ScalingAdjustment"], config)
    return current


def _adjusted(current: int, adjustment: int, config: Mapping[str, Any]) -> int:
    kind = config.get("AdjustmentType")
    if kind == "ExactCapacity":
        return adjustment
    if kind == "ChangeInCapacity":
        return max(0, current + adjustment)
    # A change of more than one instance is rounded towards none, a smaller one to one.
    change = current * adjustment / 100
    size = math.floor(abs(change)) if abs(change) >= 1 else math.ceil(abs(change))
    size = max(size, config.get("MinAdjustmentMagnitude") or 0) if adjustment else 0
    return max(0, current + (size if adjustment > 0 else -size))


def step_faults(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a step scaling policy."""
    found = []
    if config.get("AdjustmentType") is None:
        found.append("AdjustmentType must be given")
    steps: Sequence[Mapping[str, Any]] = config.get("StepAdjustments") or ()
    if not steps:
        found.append("StepAdjustments must have at least one step")
    bounds = sorted(
        (step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf))
        for step in steps
    )
    if any(lower >= upper for lower, upper in bounds):
        found.append("the MetricIntervalLowerBound of a step must be less than its MetricIntervalUpperBound")
    elif any(before[1] > after[0] for before, after in pairwise(bounds)):
        found.append("the intervals of StepAdjustments must not overlap")
    elif any(before[1] < after[0] for before, after in pairwise(bounds)):
        found.append("there must be no gap between the intervals of StepAdjustments")
    if config.get("MinAdjustmentMagnitude") and config.get("AdjustmentType") != "PercentChangeInCapacity":
        found.append("MinAdjustmentMagnitude needs the AdjustmentType PercentChangeInCapacity")
    return found
