"""Tests of scaling by real alarms over real stored metrics, with a clock that the tests move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.local.scaling.scaling_home import RESOURCE, ScalingHome

from mlberth_local.alarms.alarms import KIND
from mlberth_local.scaling.records import POLICY, TARGET, key, target_of
from mlberth_local.store.metrics import Point, Series
from mlberth_local.store.resources import NoSuchResourceError


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ScalingHome]:
    """Return a variant of one instance that may have up to five."""
    found = ScalingHome(tmp_path)
    found.register(1, 5)
    yield found
    found.database.close()


def test_out_after_three_minutes_and_in_after_fifteen(home: ScalingHome) -> None:
    home.track(100)
    assert home.minutes(10, 285, until_changed=True) == 3
    assert home.variants.wanted == 3, "285 requests need three instances of 100"
    home.settle()
    assert home.minutes(10, 285) == 10, "95 each is right"
    assert home.variants.wanted == 3
    assert home.minutes(30, 60, until_changed=True) == 15
    assert home.variants.wanted == 1
    home.settle()
    assert home.activities() == [
        ("Successful", "Setting desired instance count to 3."),
        ("Successful", "Setting desired instance count to 1."),
    ]


def test_a_short_peak_changes_nothing(home: ScalingHome) -> None:
    home.track(100)
    for _ in range(4):
        home.minutes(2, 500)
        home.minutes(1, 95)
    assert home.variants.wanted == 1


def test_cooldown_after_scaling_out(home: ScalingHome) -> None:
    """Five minutes, unless the policy says another number of seconds."""
    home.track(100)
    home.minutes(3, 150)
    home.settle()
    assert home.minutes(20, 900, until_changed=True) == 5
    assert home.variants.wanted == 5
    home.settle()
    home.track(100, ScaleOutCooldown=0)
    home.register(1, 9)
    assert home.minutes(20, 900, until_changed=True) == 1, "the alarms see what was there before them"
    assert home.variants.wanted == 9


def test_values_from_before_a_change_do_not_count_again(home: ScalingHome) -> None:
    home.track(100, ScaleOutCooldown=0)
    home.minutes(3, 400)
    home.settle()
    home.look()
    assert home.variants.wanted == 4


def test_without_requests_as_few_as_may_be(home: ScalingHome) -> None:
    """There are no values then; they count once the policy has been there for fifteen minutes."""
    home.variants.count = home.variants.wanted = 3
    home.track(100)
    assert home.minutes(20, None, until_changed=True) == 15
    assert home.variants.wanted == 1


def test_scale_in_may_be_disabled(home: ScalingHome) -> None:
    home.variants.count = home.variants.wanted = 3
    home.track(100, DisableScaleIn=True)
    home.minutes(20, 10)
    assert home.variants.wanted == 3


@pytest.mark.parametrize(
    ("name", "requests"), [("DynamicScalingOutSuspended", 900), ("DynamicScalingInSuspended", 10)]
)
def test_suspended(home: ScalingHome, name: str, requests: float) -> None:
    home.variants.count = home.variants.wanted = 3
    home.track(100)
    home.register(1, 5, **{name: True})
    home.minutes(18, requests)
    assert home.variants.wanted == 3
    home.register(1, 5, **{name: False})
    home.minutes(1, requests)
    assert home.variants.wanted != 3


def test_fewer_only_if_all_policies_say_so_and_as_many_as_any_says(home: ScalingHome) -> None:
    home.variants.count = home.variants.wanted = 2
    home.track(100)
    spec = {"Namespace": "N", "MetricName": "backlog", "Statistic": "Average"}
    home.track(10, "backlog", CustomizedMetricSpecification=spec)

    def minute(requests: float, backlog: float) -> None:
        home.metrics.put([(Series("N", "backlog"), Point(home.now + 1, backlog))])
        home.minutes(1, requests)

    for _ in range(18):
        minute(10, 10)
    assert home.variants.wanted == 2, "the backlog is right"
    for _ in range(3):
        minute(500, 20)
    assert home.variants.wanted == 5, "the requests need more than the backlog"
    home.settle()
    for _ in range(16):
        minute(10, 2)
    assert home.variants.wanted == 1


def test_limits_hold_without_a_policy(home: ScalingHome) -> None:
    home.register(2, 5)
    home.look()
    assert home.variants.wanted == 2
    home.settle()
    home.register(1, 1)
    home.look()
    assert home.variants.wanted == 1


def test_an_endpoint_that_cannot_is_tried_again_a_minute_later(home: ScalingHome) -> None:
    home.register(2, 5)
    home.look()
    home.settle(fails=True)
    assert home.activities() == [("Failed", "Setting desired instance count to 2.")]
    home.look()
    assert home.variants.status == "InService"
    home.minutes(1, None)
    assert home.variants.status == "Updating"


def test_an_endpoint_that_is_being_updated_is_left_alone(home: ScalingHome) -> None:
    home.variants.status = "Updating"
    home.register(3, 5)
    home.look()
    assert home.variants.wanted == 1
    home.variants.status = "InService"
    home.look()
    assert home.variants.wanted == 3


def test_a_daemon_that_is_killed_while_instances_start_goes_on(home: ScalingHome, tmp_path: Path) -> None:
    home.register(3, 5)
    home.look()
    after = ScalingHome(tmp_path, 3, home.now + 5)
    after.look()
    assert after.activities() == [("Successful", "Setting desired instance count to 3.")]
    assert target_of(after.resources.get(TARGET, RESOURCE)).activity is None


STEPS = [
    {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
]


def watch(home: ScalingHome, arn: str, **changes: Any) -> None:
    """Put an alarm of the user's own, whose action is a policy."""
    definition = {
        "AlarmName": "mine",
        "Namespace": "N",
        "MetricName": "backlog",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [arn],
    }
    home.alarms.put({**definition, **changes})


def backlog(home: ScalingHome, value: float) -> None:
    """Let a minute with a backlog pass."""
    home.metrics.put([(Series("N", "backlog"), Point(home.now + 1, value))])
    home.minutes(1, None)


def test_steps_by_the_size_of_the_breach(home: ScalingHome) -> None:
    arn = home.step("ChangeInCapacity", STEPS)
    watch(home, arn)
    backlog(home, 5)
    assert home.variants.wanted == 1
    backlog(home, 9)
    assert home.variants.wanted == 2
    home.settle()
    backlog(home, 9)
    assert home.variants.wanted == 2, "the cooldown"
    backlog(home, 16)
    assert home.variants.wanted == 4, "a larger step adds what is missing to it"
    home.settle()
    for _ in range(5):
        backlog(home, 16)
    assert home.variants.wanted == 5, "the most that there may be"


def test_from_none_to_one(home: ScalingHome) -> None:
    """Target tracking cannot do it: none of nothing is nothing."""
    home.variants.count = home.variants.wanted = home.variants.least = 0
    home.register(0, 5)
    home.track(100)
    arn = home.step("ExactCapacity", [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}])
    watch(home, arn, MetricName="backlog", Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold")
    home.minutes(3, None)
    assert home.variants.wanted == 0
    backlog(home, 1)
    assert home.variants.wanted == 1


def test_a_step_in(home: ScalingHome) -> None:
    home.variants.count = home.variants.wanted = 5
    arn = home.step(
        "PercentChangeInCapacity", [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -40}], Cooldown=120
    )
    watch(home, arn, ComparisonOperator="LessThanThreshold")
    counts = []
    for _ in range(6):
        backlog(home, 1)
        home.settle()
        counts.append(home.variants.wanted)
    assert counts == [3, 3, 2, 2, 1, 1]


def test_an_alarm_whose_actions_are_disabled_does_nothing(home: ScalingHome) -> None:
    watch(home, home.step("ChangeInCapacity", STEPS), ActionsEnabled=False)
    backlog(home, 100)
    assert home.variants.wanted == 1


def test_scheduled_actions(home: ScalingHome) -> None:
    """The limits change at the time, and the variant with them; a daemon that was away catches up."""
    home.scaling.put_scheduled(
        RESOURCE, "morning", {"Schedule": "rate(2 minutes)", "ScalableTargetAction": {"MinCapacity": 3}}
    )
    home.minutes(1, None)
    assert home.variants.wanted == 1
    home.minutes(1, None)
    assert home.variants.wanted == 3
    home.settle()
    home.register(1, 5, ScheduledScalingSuspended=True)
    home.scaling.put_scheduled(
        RESOURCE, "night", {"Schedule": "rate(1 minute)", "ScalableTargetAction": {"MaxCapacity": 1}}
    )
    home.minutes(5, None)
    assert home.variants.wanted == 3
    home.register(1, 5, ScheduledScalingSuspended=False)
    home.minutes(1, None)
    assert home.variants.wanted == 1


def test_the_end_of_a_schedule(home: ScalingHome) -> None:
    definition = {"ScalableTargetAction": {"MinCapacity": 3}, "EndTime": home.now + 100}
    home.scaling.put_scheduled(RESOURCE, "a", {"Schedule": "rate(2 minutes)", **definition})
    home.minutes(5, None)
    assert home.variants.wanted == 1


def test_alarms_go_with_their_policy(home: ScalingHome) -> None:
    home.track(100)
    first = {alarm.name for alarm in home.resources.unfinished(KIND)}
    kinds = sorted(name.removeprefix(f"TargetTracking-{RESOURCE}-")[:9] for name in first)
    assert kinds == ["AlarmHigh", "AlarmLow-"]
    home.track(50)
    second = {alarm.name for alarm in home.resources.unfinished(KIND)}
    assert (len(second), first & second) == (2, set())
    home.scaling.deregister(RESOURCE)
    assert home.resources.unfinished(KIND) == []
    with pytest.raises(NoSuchResourceError):
        home.resources.get(POLICY, key(RESOURCE, "p"))
    home.look()
