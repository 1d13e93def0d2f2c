"""Tests of Application Auto Scaling with boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/e/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SAGEMAKER = {"ServiceNamespace": "sagemaker"}
TRACKING: dict[str, Any] = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleInCooldown": 600,
}
STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    "Cooldown": 60,
}
START = datetime(2030, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def scaling(front: Any) -> Iterator[Any]:
    """Return a client; the target is gone after the test."""
    client = front.client("application-autoscaling", parameter_validation=False)
    yield client
    with suppress(ClientError):
        client.deregister_scalable_target(**TARGET)


@pytest.fixture
def registered(scaling: Any) -> Any:
    """Return a client, with a target of 1 to 4 instances."""
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    return scaling


def test_targets(scaling: Any) -> None:
    made = scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    scaling.register_scalable_target(
        **TARGET, MaxCapacity=6, SuspendedState={"ScheduledScalingSuspended": True}
    )
    [found] = scaling.describe_scalable_targets(**SAGEMAKER, ResourceIds=[TARGET["ResourceId"]])[
        "ScalableTargets"
    ]
    assert (found["MinCapacity"], found["MaxCapacity"]) == (1, 6)
    assert found["SuspendedState"] == {
        "DynamicScalingInSuspended": False,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": True,
    }
    assert found["ScalableTargetARN"] == made["ScalableTargetARN"]
    scaling.deregister_scalable_target(**TARGET)
    assert scaling.describe_scalable_targets(**SAGEMAKER)["ScalableTargets"] == []


def test_a_target_tracking_policy_has_two_alarms(front: Any, registered: Any) -> None:
    made = registered.put_scaling_policy(
        **TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=TRACKING,
    )
    alarms = front.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    high, low = alarms
    assert [(one["EvaluationPeriods"], one["Threshold"], one["Period"]) for one in (high, low)] == [
        (3, 70.0, 60),
        (15, 63.0, 60),
    ]
    assert high["AlarmActions"] == low["AlarmActions"] == [made["PolicyARN"]]
    assert [one["AlarmName"] for one in made["Alarms"]] == [one["AlarmName"] for one in alarms]
    [found] = registered.describe_scaling_policies(**SAGEMAKER, PolicyNames=["p"])["ScalingPolicies"]
    assert found["TargetTrackingScalingPolicyConfiguration"] == TRACKING
    assert (found["PolicyType"], found["Alarms"]) == ("TargetTrackingScaling", made["Alarms"])
    registered.delete_scaling_policy(**TARGET, PolicyName="p")
    assert front.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


def test_metric_math_in_a_policy(front: Any, registered: Any) -> None:
    metric = {"Namespace": "N", "MetricName": "m", "Dimensions": [{"Name": "a", "Value": "b"}]}
    spec = {
        "Metrics": [
            {"Id": "m", "MetricStat": {"Metric": metric, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "e", "Expression": "m / 2"},
        ]
    }
    registered.put_scaling_policy(
        **TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 1.0, "CustomizedMetricSpecification": spec},
    )
    for alarm in front.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        assert alarm["Metrics"][0]["MetricStat"] == {"Metric": metric, "Stat": "Sum", "Period": 60}
        assert alarm["Metrics"][1]["Expression"] == "m / 2"


def test_a_step_policy_names_the_alarms_that_name_it(front: Any, registered: Any) -> None:
    arn = registered.put_scaling_policy(**TARGET, PolicyName="s", StepScalingPolicyConfiguration=STEPS)[
        "PolicyARN"
    ]
    cloudwatch = front.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="mine",
        Namespace="N",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[arn],
    )
    [found] = registered.describe_scaling_policies(**SAGEMAKER)["ScalingPolicies"]
    assert found["StepScalingPolicyConfiguration"] == STEPS
    assert [alarm["AlarmName"] for alarm in found["Alarms"]] == ["mine"]
    cloudwatch.delete_alarms(AlarmNames=["mine"])


def test_scheduled_actions(registered: Any) -> None:
    request = {
        "ScheduledActionName": "morning",
        "Schedule": "cron(0 8 ? * MON-FRI *)",
        "Timezone": "Europe/Berlin",
        "StartTime": START,
        "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 8},
    }
    registered.put_scheduled_action(**TARGET, **request)
    registered.put_scheduled_action(**TARGET, ScheduledActionName="morning", Schedule="rate(1 day)")
    [found] = registered.describe_scheduled_actions(**SAGEMAKER, ScheduledActionNames=["morning"])[
        "ScheduledActions"
    ]
    assert {name: found[name] for name in request} == {**request, "Schedule": "rate(1 day)"}
    registered.put_scheduled_action(
        **TARGET, ScheduledActionName="morning", ScalableTargetAction={"MaxCapacity": 3}
    )
    [found] = registered.describe_scheduled_actions(**SAGEMAKER)["ScheduledActions"]
    assert (found["Schedule"], found["ScalableTargetAction"]) == ("rate(1 day)", {"MaxCapacity": 3})
    registered.delete_scheduled_action(**TARGET, ScheduledActionName="morning")
    assert registered.describe_scheduled_actions(**SAGEMAKER)["ScheduledActions"] == []


def test_activities(front: Any, registered: Any) -> None:
    registered.register_scalable_target(**TARGET, MinCapacity=2)
    front.platform.scaling.look_after(TARGET["ResourceId"])
    [running] = registered.describe_scaling_activities(**SAGEMAKER)["ScalingActivities"]
    assert (running["StatusCode"], running["Cause"]) == ("InProgress", "minimum capacity was set to 2")
    front.variants.settle()
    front.platform.scaling.look_after(TARGET["ResourceId"])
    [ended] = registered.describe_scaling_activities(**SAGEMAKER, ResourceId=TARGET["ResourceId"])[
        "ScalingActivities"
    ]
    assert (ended["ActivityId"], ended["StatusCode"]) == (running["ActivityId"], "Successful")
    assert ended["EndTime"] > ended["StartTime"]


def test_pages(registered: Any) -> None:
    for number in range(5):
        registered.put_scaling_policy(**TARGET, PolicyName=f"p{number}", StepScalingPolicyConfiguration=STEPS)
    pages = registered.get_paginator("describe_scaling_policies").paginate(
        **SAGEMAKER, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["ScalingPolicies"]) for page in pages] == [2, 2, 1]
    with pytest.raises(ClientError, match="InvalidNextTokenException"):
        registered.describe_scaling_policies(**SAGEMAKER, NextToken="x")


@pytest.mark.parametrize(
    ("operation", "change", "words"),
    [
        ("register_scalable_target", {"ServiceNamespace": "ecs"}, "only sagemaker is scaled here"),
        (
            "register_scalable_target",
            {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"},
            "only sagemaker:variant:DesiredInstanceCount",
        ),
        ("register_scalable_target", {"ResourceId": "endpoint/e"}, "expected endpoint/NAME/variant/NAME"),
        ("register_scalable_target", {"ResourceId": "endpoint/e/variant/x"}, "There is no variant 'x'"),
        ("register_scalable_target", {"MinCapacity": 5}, "Maximum capacity cannot be less than minimum"),
        ("register_scalable_target", {"MinCapacity": 0}, "expected at least 1"),
        ("put_scaling_policy", {"PolicyType": "TargetTrackingScaling"}, "Configuration must be given"),
        ("put_scaling_policy", {"PolicyType": "PredictiveScaling"}, "expected one of StepScaling, Target"),
        (
            "put_scaling_policy",
            {"TargetTrackingScalingPolicyConfiguration": TRACKING, "StepScalingPolicyConfiguration": STEPS},
            "does not belong to StepScaling",
        ),
        (
            "put_scaling_policy",
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 0, "ScaleInCooldown": -1},
            },
            "TargetValue: found 0.*exactly one of.*ScaleInCooldown: found -1",
        ),
        (
            "put_scaling_policy",
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "RDSReaderAverageCPUUtilization"
                    },
                },
            },
            "others can be given as CustomizedMetricSpecification",
        ),
        ("put_scaling_policy", {"StepScalingPolicyConfiguration": {}}, "AdjustmentType must be given; Step"),
        ("put_scheduled_action", {"Schedule": "daily"}, "Schedule: found 'daily'"),
        ("put_scheduled_action", {}, "Schedule must be given"),
        (
            "put_scheduled_action",
            {"Schedule": "rate(1 day)", "ScalableTargetAction": {}},
            "must have MinCapacity, MaxCapacity or both",
        ),
        (
            "put_scheduled_action",
            {"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 2}},
            "Maximum capacity cannot be less",
        ),
        (
            "delete_scaling_policy",
            {},
            "ObjectNotFoundException.*No scaling policy found for service namespace",
        ),
        ("delete_scheduled_action", {}, "ObjectNotFoundException.*No scheduled action found"),
    ],
)
def test_faults(registered: Any, operation: str, change: dict[str, Any], words: str) -> None:
    names = {"put_scaling_policy": "PolicyName", "delete_scaling_policy": "PolicyName"}
    own = {} if operation.startswith("register") else {names.get(operation, "ScheduledActionName"): "n"}
    if operation == "put_scheduled_action":
        own["ScalableTargetAction"] = {"MinCapacity": 1}  # type: ignore[assignment]
    with pytest.raises(ClientError, match=words):
        getattr(registered, operation)(**{**TARGET, **own, **change})


@pytest.mark.parametrize(
    "operation", ["put_scaling_policy", "put_scheduled_action", "deregister_scalable_target"]
)
def test_an_unknown_target(scaling: Any, operation: str) -> None:
    own = {"PolicyName": "n"} if "policy" in operation else {"ScheduledActionName": "n"}
    with pytest.raises(ClientError, match="No scalable target registered"):
        getattr(scaling, operation)(**TARGET, **({} if operation.startswith("de") else own))


def test_a_new_target_needs_both_limits(scaling: Any) -> None:
    with pytest.raises(ClientError, match="MinCapacity and MaxCapacity must be given"):
        scaling.register_scalable_target(**TARGET, MinCapacity=1)
    assert scaling.describe_scalable_targets(**SAGEMAKER)["ScalableTargets"] == []
