"""Scaling policies: target tracking, and steps for alarms of the user's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from mlberth_local.alarms.alarms import KIND as ALARM_KIND
from mlberth_local.errors import ServiceError, ValidationError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.scaling.policies import step_faults
from mlberth_local.scaling.records import POLICY
from mlberth_local.scaling.tracking import config_faults
from mlberth_local.services.application_autoscaling.requests import (
    check_target,
    describe_part,
    find_part,
    find_parts,
    find_target,
    page,
    place,
)
from mlberth_local.store.resources import NoSuchResourceError, Resource

_CONFIGS = {
    "StepScaling": "StepScalingPolicyConfiguration",
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
}


def put_scaling_policy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make a policy of a target, or replace one."""
    resource_id = find_target(platform, check_target(request)).name
    name = request["PolicyName"]
    kind = request.get("PolicyType") or _known_type(platform, resource_id, name)
    if kind not in _CONFIGS:
        raise ValidationError(f"PolicyType: found {kind}; expected one of {', '.join(_CONFIGS)}.")
    own = _CONFIGS[kind]
    found = [
        f"{other} does not belong to {kind}"
        for other in _CONFIGS.values()
        if other in request and other != own
    ]
    if (config := request.get(own)) is None:
        found.append(f"{own} must be given for {kind}")
    else:
        found += (step_faults if kind == "StepScaling" else config_faults)(config)
    if found:
        raise ValidationError("; ".join(found) + ".")
    row = platform.scaling.put_policy(resource_id, name, {"PolicyType": kind, own: config})
    return {"PolicyARN": row.arn, "Alarms": _alarms(platform, row)}


def _known_type(platform: Platform, resource_id: str, name: str) -> str:
    """Return the type of the policy that is replaced; new ones are of steps unless they say otherwise."""
    row = find_part(platform, POLICY, resource_id, name)
    return str(row.state["definition"]["PolicyType"]) if row else "StepScaling"


def _alarms(platform: Platform, row: Resource) -> list[dict[str, str]]:
    """Return the alarms of a policy: its own, and those that name it as their action."""
    own = set(row.state["alarms"].values())
    found = [
        alarm
        for alarm in platform.alarms.resources.unfinished(ALARM_KIND)
        if alarm.name in own or row.arn in (alarm.state["definition"].get("AlarmActions") or [])
    ]
    return [{"AlarmName": alarm.name, "AlarmARN": alarm.arn} for alarm in found]


def describe_scaling_policies(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List policies."""
    found = find_parts(platform, POLICY, request, request.get("PolicyNames"))
    part, token = page(request, found)
    return {"ScalingPolicies": [_described(platform, row) for row in part], **token}


def _described(platform: Platform, row: Resource) -> dict[str, Any]:
    return {
        "PolicyARN": row.arn,
        "PolicyName": row.name.partition("|")[2],
        **describe_part(row),
        "Alarms": _alarms(platform, row),
    }


def delete_scaling_policy(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a policy with its own alarms."""
    resource_id = check_target(request)
    try:
        platform.scaling.delete_policy(resource_id, request["PolicyName"])
    except NoSuchResourceError:
        text = f"No scaling policy found for{place(resource_id)}, policy name: {request['PolicyName']}"
        raise ServiceError("ObjectNotFoundException", text, HTTPStatus.BAD_REQUEST) from None
    return {}


OPERATIONS: dict[str, Operation] = {
    "DeleteScalingPolicy": delete_scaling_policy,
    "DescribeScalingPolicies": describe_scaling_policies,
    "PutScalingPolicy": put_scaling_policy,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "PutScalingPolicy": Exceptions(
        without_effect={
            "StepScalingPolicyConfiguration.MetricAggregationType": "the alarm's own statistic is used",
        },
        refused={"PredictiveScalingPolicyConfiguration": "there is no forecast of traffic"},
    )
}
