"""Tests of what a load test concludes from its stages."""

from __future__ import annotations

import pytest

from mlberth_local.recommendations.measurement import Conditions, Window, chosen, conditions_of


def window(users: int, per_minute: int, p95: float = 10.0, **failures: int) -> Window:
    """Return the counts of a stage of a minute."""
    return Window(users, 60.0, per_minute, failures, p95, p95 * 2, p95 / 2)


def test_the_most_invocations_within_the_threshold_count() -> None:
    """More than that are of no use if they take too long, or fail."""
    found = [window(1, 600), window(2, 1100), window(4, 1500, p95=60), window(8, 9000, p95=5, oops=1)]
    assert chosen(found, Conditions(threshold=50)).users == 2
    assert chosen(found, Conditions()).users == 4
    assert chosen(found, Conditions("P99", threshold=25)).users == 2
    assert chosen(found, Conditions(threshold=5)).users == 1, "the nearest of those that answer everything"
    assert chosen([window(1, 0, p95=0, oops=3), window(2, 5, oops=1)], Conditions()).users == 2


@pytest.mark.parametrize(
    ("windows", "conditions", "end"),
    [
        ([window(1, 100)], Conditions(), ""),
        ([window(1, 100), window(2, 103)], Conditions(), ""),
        ([window(1, 100), window(2, 103), window(4, 104)], Conditions(), "no more invocations: 100 a minute"),
        ([window(1, 100), window(2, 103), window(4, 104)], Conditions(stops_when_flat=False), ""),
        ([window(1, 100), window(2, 103), window(4, 150)], Conditions(), ""),
        ([window(1, 100, p95=51)], Conditions(threshold=50), "P95 is 51.0 ms, more than 50 ms"),
        ([window(1, 100, p95=49)], Conditions("P99", threshold=50), "P99 is 98.0 ms, more than 50 ms"),
        ([window(1, 100)], Conditions(most_per_minute=100), "MaxInvocations is reached: 100 a minute"),
        ([window(1, 100, oops=2)], Conditions(), "requests fail: oops"),
    ],
)
def test_the_end_of_the_stages(windows: list[Window], conditions: Conditions, end: str) -> None:
    """StoppingConditions, a flat rate, and requests that fail end a test."""
    found = conditions.end(windows)
    assert end in found
    assert bool(found) == bool(end)


def test_conditions_of_a_request() -> None:
    given = {
        "MaxInvocations": 500,
        "ModelLatencyThresholds": [{"Percentile": "P99", "ValueInMilliseconds": 20}],
        "FlatInvocations": "Continue",
    }
    assert conditions_of({"StoppingConditions": given}) == Conditions("P99", 20, 500, stops_when_flat=False)
    assert conditions_of({}) == Conditions()
