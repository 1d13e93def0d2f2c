"""Tests of the actions of alarms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.local.scaling.scaling_home import ScalingHome

from mlberth_local.alarms.messages import Transition
from mlberth_local.daemon.alarm_actions import act
from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform, Settings
from mlberth_local.topics.topics import Topics

DEFINITION = {
    "AlarmName": "a",
    "Metrics": [{"Id": "e", "Expression": "m * 2"}],
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def test_messages_to_topics_and_policies(tmp_path: Path) -> None:
    """A topic and a policy that are there are reached; others are an error, which the history notes."""
    home = ScalingHome(tmp_path)
    home.register(1, 2)
    policy = home.step("ChangeInCapacity", [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}])
    platform = Platform(tmp_path, Settings())
    topics = Topics(
        tmp_path / "sns", home.resources, clock=lambda: 0.0, arn=platform.arn, endpoint="http://127.0.0.1:1"
    )
    platform = Platform(tmp_path, Settings(), topics=topics)
    topic = topics.create("t", {})
    transition = Transition("a", "arn", DEFINITION, 0.0, "OK", "ALARM", "because", 0.0)
    act(platform, home.resources, topic, transition)
    line = json.loads((tmp_path / "sns/t.jsonl").read_text())
    assert line["Subject"] == 'ALARM: "a" in us-east-1'
    assert json.loads(line["Message"])["Trigger"]["Metrics"] == DEFINITION["Metrics"]
    act(platform, home.resources, policy, transition)
    for arn in (f"{topic}x", f"{policy}x"):
        with pytest.raises(ServiceError):
            act(platform, home.resources, arn, transition)
    home.database.close()
