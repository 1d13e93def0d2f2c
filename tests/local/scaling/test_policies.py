"""Tests of the numbers that policies ask for."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.scaling.policies import step_faults, stepped_count, tracked_count


@pytest.mark.parametrize(
    ("current", "value", "target", "count"),
    [(1, 100, 100, 1), (1, 101, 100, 2), (3, 30, 100, 1), (4, 75, 100, 3), (0, 500, 100, 0), (5, 0, 100, 0)],
)
def test_tracking(current: int, value: float, target: float, count: int) -> None:
    assert tracked_count(current, value, target) == count


BOUNDS = [(None, -10, -3), (-10, 0, -1), (0, 10, 1), (10, None, 3)]
STEPS = [
    {
        **({} if lower is None else {"MetricIntervalLowerBound": lower}),
        **({} if upper is None else {"MetricIntervalUpperBound": upper}),
        "ScalingAdjustment": change,
    }
    for lower, upper, change in BOUNDS
]


@pytest.mark.parametrize(
    ("breach", "count"), [(-50, 7), (-10, 7), (-9, 9), (0, 9), (1, 11), (9.9, 11), (10, 13), (99, 13)]
)
def test_the_step_for_a_breach(breach: float, count: int) -> None:
    """Between -10 and 0 both steps reach 0; the one below comes first, as in the service's example."""
    assert (
        stepped_count(10, breach, {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}) == count
    )


@pytest.mark.parametrize(
    ("current", "change", "least", "count"),
    [(10, 10, 0, 11), (10, 5, 0, 11), (10, 25, 0, 12), (10, -25, 0, 8), (10, -5, 0, 9), (10, 10, 4, 14)],
)
def test_percentages(current: int, change: int, least: int, count: int) -> None:
    config: dict[str, Any] = {
        "AdjustmentType": "PercentChangeInCapacity",
        "StepAdjustments": [{"ScalingAdjustment": change}],
        "MinAdjustmentMagnitude": least,
    }
    assert stepped_count(current, 1, config) == count


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AdjustmentType": None}, "AdjustmentType must be given"),
        ({"StepAdjustments": []}, "at least one step"),
        (
            {"StepAdjustments": [{"MetricIntervalLowerBound": 2, "MetricIntervalUpperBound": 1}]},
            "must be less",
        ),
        ({"StepAdjustments": [STEPS[2], STEPS[2]]}, "must not overlap"),
        ({"StepAdjustments": [STEPS[0], STEPS[2]]}, "no gap"),
        ({"MinAdjustmentMagnitude": 2}, "needs the AdjustmentType PercentChangeInCapacity"),
    ],
)
def test_faults_of_steps(changes: dict[str, Any], words: str) -> None:
    config = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": STEPS}
    assert step_faults(config) == []
    assert words in step_faults({**config, **changes})[0]
