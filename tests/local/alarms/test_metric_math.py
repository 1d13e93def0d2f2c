"""Tests of metric math over time series."""

from __future__ import annotations

import math

import pytest

from mlberth_local.alarms.expressions import ExpressionError, parse
from mlberth_local.alarms.metric_math import Points, Scope, Value, evaluate

SERIES: dict[str, Points] = {
    "m1": {0: 10.0, 60: 20.0, 180: 40.0},
    "m2": {0: 1.0, 60: 0.0, 120: 3.0, 180: 4.0},
}


def value_of(text: str) -> Value:
    """Return the value of an expression over the two series, of four minutes."""
    scope = Scope(
        lookup=SERIES.__getitem__,
        metrics=["m1", "m2"],
        grid=[0, 60, 120, 180],
        period=60.0,
        history=lambda _: [1.0, 3.0],
    )
    return evaluate(parse(text), scope)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m1 + m2", {0: 11, 60: 20, 180: 44}),
        ("m1 / m2", {0: 10, 180: 10}),
        ("m2 * 100", {0: 100, 60: 0, 120: 300, 180: 400}),
        ("m2 >= 3", {0: 0, 60: 0, 120: 1, 180: 1}),
        ("SUM([m1, m2])", {0: 11, 60: 20, 120: 3, 180: 44}),
        ("MAX(METRICS())", {0: 10, 60: 20, 120: 3, 180: 40}),
        ("AVG(METRICS('2'))", {0: 1, 60: 0, 120: 3, 180: 4}),
        ("m1 - SUM(m2)", {0: 2, 60: 12, 180: 32}),
        ("IF(m2 > 1, m1, 0)", {0: 0, 60: 0, 180: 40}),
        ("IF(m2 > 0, m2)", {0: 1, 120: 3, 180: 4}),
        ("FILL(m1, 0)", {0: 10, 60: 20, 120: 0, 180: 40}),
        ("FILL(m1, REPEAT)", {0: 10, 60: 20, 120: 20, 180: 40}),
        ("FILL(m1, LINEAR)", {0: 10, 60: 20, 120: 30, 180: 40}),
        ("RUNNING_SUM(m1)", {0: 10, 60: 30, 180: 70}),
        ("DIFF(m1)", {60: 10, 180: 20}),
        ("RATE(m1)", {60: 10 / 60, 180: 20 / 120}),
        ("DIFF_TIME(m1)", {60: 60, 180: 120}),
        ("m1 / PERIOD(m1)", {0: 10 / 60, 60: 20 / 60, 180: 40 / 60}),
        ("MINUTE(m1)", {0: 0, 60: 1, 180: 3}),
        ("TIME_SERIES(7)", {0: 7, 60: 7, 120: 7, 180: 7}),
        ("LOG10(m2)", {0: 0, 120: math.log10(3), 180: math.log10(4)}),
        ("CEIL(m1 / 3)", {0: 4, 60: 7, 180: 14}),
    ],
)
def test_series(text: str, expected: Points) -> None:
    assert value_of(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("SUM(m1)", 70), ("STDDEV([1])", None), ("METRIC_COUNT(METRICS())", 2), ("DATAPOINT_COUNT(m1)", 3)],
)
def test_numbers(text: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ExpressionError, match="expected one time series"):
            value_of(text)
    else:
        assert value_of(text) == expected


def test_a_band_is_around_the_mean_of_earlier_values() -> None:
    assert value_of("ANOMALY_DETECTION_BAND(m1, 3)") == [
        dict.fromkeys((0, 60, 120, 180), -1.0),
        dict.fromkeys((0, 60, 120, 180), 5.0),
    ]
