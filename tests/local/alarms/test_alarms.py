"""Tests of alarms over real stored metrics, with a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.alarms.alarm_home import NOWHERE, TOPIC, AlarmHome

from mlberth_local.alarms.messages import Transition

MINUTE = 1_800_000_000.0
"""The start of a minute."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[AlarmHome]:
    """Return alarms at the start of a minute."""
    found = AlarmHome(tmp_path, MINUTE)
    yield found
    found.database.close()


def test_states_follow_the_metric(home: AlarmHome) -> None:
    home.put(InsufficientDataActions=[TOPIC], OKActions=[TOPIC])
    assert home.judge() == "INSUFFICIENT_DATA"
    home.add(1.0)
    assert home.judge(59) == "INSUFFICIENT_DATA", "the minute has not ended"
    assert home.judge(4) == "OK"
    home.add(9.0)
    assert home.judge(60) == "ALARM"
    assert home.judge(120) == "ALARM", "a late value may still come"
    assert home.judge(120) == "INSUFFICIENT_DATA"
    assert [state for _, state in home.actions] == ["OK", "ALARM", "INSUFFICIENT_DATA"]
    summaries = [event.summary for event in home.history("StateUpdate")]
    assert summaries == [
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to INSUFFICIENT_DATA",
    ]


@pytest.mark.parametrize(
    ("statistic", "operator", "values", "state"),
    [
        ("Sum", "GreaterThanThreshold", [2.0, 1.0], "ALARM"),
        ("SampleCount", "GreaterThanOrEqualToThreshold", [0.0, 0.0], "ALARM"),
        ("Maximum", "GreaterThanThreshold", [0.0, 3.0], "ALARM"),
        ("Minimum", "LessThanThreshold", [3.0, 1.0], "ALARM"),
        ("Sum", "GreaterThanThreshold", [9.0, -1.0], "INSUFFICIENT_DATA"),
        ("Average", "GreaterThanThreshold", [9.0], "INSUFFICIENT_DATA"),
        ("Sum", "LessThanThreshold", [1.0], "INSUFFICIENT_DATA"),
    ],
)
def test_a_count_over_the_threshold_needs_no_end_of_the_period(
    home: AlarmHome, statistic: str, operator: str, values: list[float], state: str
) -> None:
    home.put(Statistic=statistic, ComparisonOperator=operator, Threshold=2.0)
    home.add(*values)
    assert home.judge(1) == state


def test_percentiles_are_of_single_values(home: AlarmHome) -> None:
    home.put(Statistic=None, ExtendedStatistic="p90", Threshold=90.0)
    home.add(*map(float, range(1, 101)))
    assert home.judge(63) == "OK"
    home.add(*map(float, range(11, 111)))
    assert home.judge(60) == "ALARM"


def test_a_percentile_of_few_samples_may_be_ignored(home: AlarmHome) -> None:
    home.put(Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
    home.add(*[9.0] * 99)
    assert home.judge(63) == "INSUFFICIENT_DATA"
    home.add(*[9.0] * 100)
    assert home.judge(60) == "ALARM"


def test_an_expression(home: AlarmHome) -> None:
    metric = {"Namespace": "N", "MetricName": "errors"}
    stat = {"Period": 60, "Stat": "Sum"}
    home.put(
        **dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period")),
        Threshold=10.0,
        Metrics=[
            {"Id": "e", "MetricStat": {**stat, "Metric": metric}, "ReturnData": False},
            {
                "Id": "n",
                "MetricStat": {**stat, "Metric": {**metric, "MetricName": "all"}},
                "ReturnData": False,
            },
            {"Id": "share", "Expression": "100 * FILL(e, 0) / n"},
        ],
    )
    home.add(100.0, name="all")
    assert home.judge(63) == "OK"
    home.add(100.0, name="all")
    home.add(11.0)
    assert home.judge(60) == "ALARM"
    assert "[11.0 (" in home.alarms.resources.get("alarm", "a").state["reason"]


def test_a_band_of_what_is_usual(home: AlarmHome) -> None:
    for minutes in range(10, 40):
        home.add(10.0 + minutes % 2, before=60.0 * minutes)
    stat = {"Period": 60, "Stat": "Average", "Metric": {"Namespace": "N", "MetricName": "errors"}}
    home.put(
        **dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period", "Threshold")),
        ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold",
        ThresholdMetricId="band",
        Metrics=[
            {"Id": "m", "MetricStat": stat},
            {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m, 3)"},
        ],
    )
    home.add(11.0)
    assert home.judge(63) == "OK"
    home.add(3.0)
    assert home.judge(60) == "ALARM"


def test_a_state_set_by_hand_stays_for_a_period(home: AlarmHome) -> None:
    home.put(Period=10)
    home.add(1.0, before=11)
    home.judge()
    home.alarms.set_state("a", "ALARM", "a trial", {"by": "hand"})
    assert home.judge(9) == "ALARM"
    assert home.judge(2) == "OK"
    assert home.actions == [(TOPIC, "ALARM")]
    data = home.history("StateUpdate")[1].data
    assert data["newState"] == {
        "stateValue": "ALARM",
        "stateReason": "a trial",
        "stateReasonData": {"by": "hand"},
    }


def test_actions(home: AlarmHome) -> None:
    """One that fails is in the history, and the next one is taken; none is if they are disabled."""
    home.put(AlarmActions=[NOWHERE, TOPIC])
    home.alarms.set_state("a", "ALARM", "r")
    assert home.actions == [(TOPIC, "ALARM")]
    assert [event.summary for event in home.history("Action")] == [
        f"Failed to execute action {NOWHERE}",
        f"Successfully executed action {TOPIC}",
    ]
    home.alarms.set_state("a", "OK", "r")
    home.alarms.enable_actions("a", enabled=False)
    home.alarms.set_state("a", "ALARM", "r")
    assert len(home.actions) == 1


def test_a_new_definition_keeps_the_state(home: AlarmHome) -> None:
    home.put()
    home.alarms.set_state("a", "ALARM", "r")
    home.put(Threshold=7.0)
    assert home.alarms.state_of("a") == "ALARM"
    assert home.alarms.resources.get("alarm", "a").state["definition"]["Threshold"] == 7.0


def test_a_daemon_that_is_killed_in_an_action_takes_it_again(home: AlarmHome, tmp_path: Path) -> None:
    """The transition is committed before its actions, and each action is until it is done."""

    class Killed(BaseException):
        """Stands for the end of the process."""

    def killed(arn: str, transition: Transition) -> None:
        raise Killed

    first = AlarmHome(tmp_path, MINUTE, killed)
    first.put()
    first.add(9.0)
    with pytest.raises(Killed):
        first.judge(1)
    first.database.close()
    home.now = MINUTE + 2
    assert home.judge() == "ALARM"
    assert home.actions == [(TOPIC, "ALARM")]
    assert [event.type for event in home.history()] == ["ConfigurationUpdate", "StateUpdate", "Action"]
    home.judge()
    assert len(home.actions) == 1


def test_an_expression_without_a_series_is_an_error_of_the_evaluation(home: AlarmHome) -> None:
    home.put()
    home.alarms.set_state("a", "OK", "r")
    stat = {"Period": 60, "Stat": "Sum", "Metric": {"Namespace": "N", "MetricName": "errors"}}
    home.put(
        Metrics=[
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "e", "Expression": "SUM(m) * 2"},
        ]
    )
    assert home.judge(61) == "INSUFFICIENT_DATA"
    reason = home.alarms.resources.get("alarm", "a").state["reason"]
    assert reason.startswith("Evaluation error: The expression of e is a single number")


def test_a_deleted_alarm_keeps_its_history(home: AlarmHome) -> None:
    home.put()
    home.alarms.delete("a")
    home.alarms.judge("a")
    assert [event.summary for event in home.history()] == ['Alarm "a" created', 'Alarm "a" deleted']
