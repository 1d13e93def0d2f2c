"""Tests of an alarm's state by its values: the service's own tables, and its operators."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.alarms.evaluation import ALARM, INSUFFICIENT_DATA, OK, Datapoint, breaches, judge

RETAINED = "retained"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
THREE_OF_THREE = [
    ("0 - X - X", OK, OK, OK, OK),
    ("0 - - - -", OK, OK, OK, OK),
    ("- - - - -", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
    ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
    ("- - X - -", ALARM, RETAINED, ALARM, OK),
    # One value that is newer than three periods may be a single one: no alarm yet.
    ("- - - - X", RETAINED, RETAINED, ALARM, OK),
]
TWO_OF_THREE = [
    ("0 - X - X", ALARM, ALARM, ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    ("0 - X - -", OK, OK, ALARM, OK),
    ("- - - - 0", OK, OK, ALARM, OK),
    ("- - - X -", ALARM, RETAINED, ALARM, OK),
]
CASES = [
    (row[0], to_alarm, treatment, state)
    for rows, to_alarm in ((THREE_OF_THREE, 3), (TWO_OF_THREE, 2))
    for row in rows
    for treatment, state in zip(TREATMENTS, row[1:], strict=True)
]


def definition(**changes: Any) -> dict[str, Any]:
    """Return an alarm's definition, with some changes."""
    return {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "EvaluationPeriods": 3,
        "Statistic": "Sum",
        **changes,
    }


def points(text: str) -> list[Datapoint]:
    """Return the periods of `0 - X`: within the threshold, missing, above it."""
    values = {"0": 0.0, "X": 9.0, "-": None}
    return [Datapoint(60.0 * at, values[sign], 5.0, 5.0) for at, sign in enumerate(text.split())]


@pytest.mark.parametrize(("text", "to_alarm", "treatment", "expected"), CASES)
@pytest.mark.parametrize("current", [OK, ALARM])
def test_missing_data(text: str, to_alarm: int, treatment: str, expected: str, current: str) -> None:
    rule = definition(DatapointsToAlarm=to_alarm, TreatMissingData=treatment)
    state = judge(rule, points(text), current).state
    assert state == (current if expected == RETAINED else expected)


@pytest.mark.parametrize(
    ("operator", "lower", "breaching"),
    [
        ("GreaterThanThreshold", 8, [9]),
        ("GreaterThanOrEqualToThreshold", 8, [8, 9]),
        ("LessThanThreshold", 8, [1, 2, 5]),
        ("LessThanOrEqualToThreshold", 8, [1, 2, 5, 8]),
        ("LessThanLowerOrGreaterThanUpperThreshold", 2, [1, 9]),
        ("LessThanLowerThreshold", 2, [1]),
        ("GreaterThanUpperThreshold", 2, [9]),
    ],
)
def test_operators(operator: str, lower: float, breaching: list[int]) -> None:
    """A band has the limits 2 and 8; a threshold is 8."""
    values = [1, 2, 5, 8, 9]
    assert [value for value in values if breaches(operator, Datapoint(0, value, lower, 8))] == breaching


CROSSED = "Threshold Crossed: "
NOT_ABOVE = "1 datapoint [0.0 ({})] was not greater than the threshold (5.0)"


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        (
            "0 0 0 X X",
            {"DatapointsToAlarm": 2},
            CROSSED
            + "2 out of the last 3 datapoints [9.0 (01/01/70 00:03:00), 9.0 (01/01/70 00:04:00)] were "
            + "greater than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        ("- - 0", {"EvaluationPeriods": 1}, CROSSED + NOT_ABOVE.format("01/01/70 00:02:00") + "."),
        ("- - -", {"EvaluationPeriods": 1}, "Insufficient Data: 1 datapoint was unknown."),
        (
            "- - -",
            {"EvaluationPeriods": 1, "TreatMissingData": "breaching"},
            CROSSED
            + "no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching].",
        ),
        (
            "0 - -",
            {"EvaluationPeriods": 2, "TreatMissingData": "notBreaching"},
            CROSSED
            + NOT_ABOVE.format("01/01/70 00:00:00")
            + " and 1 missing datapoint was treated as [NonBreaching].",
        ),
    ],
)
def test_reasons(text: str, changes: dict[str, Any], reason: str) -> None:
    assert judge(definition(**changes), points(text), OK).reason == reason
