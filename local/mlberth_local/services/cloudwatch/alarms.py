"""Alarms of CloudWatch: put, described, set, deleted."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from mlberth_local.alarms import definition as definitions
from mlberth_local.alarms.alarms import KIND
from mlberth_local.alarms.metric_queries import dimensions
from mlberth_local.errors import ServiceError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.services.cloudwatch import pages
from mlberth_local.store.resources import NoSuchResourceError, Query, Resource

_EVERY_ALARM = 1_000_000
_DESCRIBED = (
    *("AlarmDescription", "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Unit"),
    *("EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
    *("EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId"),
)


def put_metric_alarm(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make an alarm, or replace the definition of one."""
    definitions.check(request)
    platform.alarms.put({name: value for name, value in request.items() if name != "Tags"})
    return {}


def describe_alarms(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List alarms by name, prefix, state or action, in the order of their names."""
    families = [name for name in ("ChildrenOfAlarmName", "ParentsOfAlarmName") if request.get(name)]
    types = request.get("AlarmTypes") or ["MetricAlarm"]
    if families or "MetricAlarm" not in types:
        return {"MetricAlarms": [], "CompositeAlarms": []}
    if request.get("AlarmNames") and request.get("AlarmNamePrefix"):
        text = "AlarmNamePrefix and AlarmNames cannot be given together."
        raise ServiceError("InvalidParameterCombination", text)
    limit = request.get("MaxRecords") or 100
    after = pages.position(request.get("NextToken"))
    found = [alarm for alarm in _all(platform, request.get("StateValue") or "") if _is_wanted(alarm, request)]
    page = [alarm for alarm in found if after is None or alarm.name > after[1]]
    more = (page[limit - 1].name, page[limit - 1].name) if len(page) > limit else None
    described = [describe(alarm) for alarm in page[:limit]]
    return {"MetricAlarms": described, "CompositeAlarms": [], **pages.token(more)}


def _all(platform: Platform, state: str = "") -> list[Resource]:
    query = Query(KIND, status=state, sort_by="name", descending=False, limit=_EVERY_ALARM)
    found: list[Resource] = platform.alarms.resources.list(query)[0]
    return found


def _is_wanted(alarm: Resource, request: dict[str, Any]) -> bool:
    definition, action = alarm.state["definition"], request.get("ActionPrefix") or ""
    actions = [
        arn
        for name in ("OKActions", "AlarmActions", "InsufficientDataActions")
        for arn in definition.get(name) or []
    ]
    return (
        (not request.get("AlarmNames") or alarm.name in request["AlarmNames"])
        and alarm.name.startswith(request.get("AlarmNamePrefix") or "")
        and (not action or any(arn.startswith(action) for arn in actions))
    )


def describe(alarm: Resource) -> dict[str, Any]:
    """Return an alarm as DescribeAlarms has it."""
    definition, state = alarm.state["definition"], alarm.state
    data = {"StateReasonData": json.dumps(state["reason_data"])} if state.get("reason_data") else {}
    # The minute of a platform whose clocks are set for tests may be a part of a second.
    period = {} if definition.get("Metrics") else {"Period": max(1, round(definition["Period"]))}
    return {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": state["updated"],
        "ActionsEnabled": definition.get("ActionsEnabled") is not False,
        "OKActions": definition.get("OKActions") or [],
        "AlarmActions": definition.get("AlarmActions") or [],
        "InsufficientDataActions": definition.get("InsufficientDataActions") or [],
        "StateValue": alarm.status,
        "StateReason": state["reason"][:1023],
        **data,
        "StateUpdatedTimestamp": state["state_updated"],
        "StateTransitionedTimestamp": state.get("transitioned", state["state_updated"]),
        **({} if definition.get("Metrics") else {"Dimensions": []}),
        **{name: definition[name] for name in _DESCRIBED if definition.get(name) is not None},
        **period,
    }


def describe_alarms_for_metric(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the alarms of one metric."""
    exact = {
        name: request[name]
        for name in ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit")
        if request.get(name) is not None
    }
    wanted = dimensions(request.get("Dimensions") or [])
    found = [
        describe(alarm)
        for alarm in _all(platform)
        if all(alarm.state["definition"].get(name) == value for name, value in exact.items())
        and dimensions(alarm.state["definition"].get("Dimensions") or []) == wanted
    ]
    return {"MetricAlarms": found}


def set_alarm_state(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Bring an alarm to a state for a while, to try its actions."""
    data = None
    if text := request.get("StateReasonData"):
        try:
            data = json.loads(text)
        except ValueError as error:
            message = f"The parameter StateReasonData is not JSON: {error}."
            raise ServiceError("InvalidFormat", message) from None
    try:
        platform.alarms.set_state(request["AlarmName"], request["StateValue"], request["StateReason"], data)
    except NoSuchResourceError:
        text = f"There is no alarm {request['AlarmName']}."
        raise ServiceError("ResourceNotFound", text, HTTPStatus.NOT_FOUND) from None
    return {}


def delete_alarms(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove alarms; none of them if one is unknown."""
    names, known = set(request["AlarmNames"]), {alarm.name for alarm in _all(platform)}
    if missing := sorted(names - known):
        text = f"There is no alarm {', '.join(missing)}."
        raise ServiceError("ResourceNotFound", text, HTTPStatus.NOT_FOUND)
    for name in sorted(names):
        try:
            platform.alarms.delete(name)
        except NoSuchResourceError:  # another request was faster
            continue
    return {}


def enable_alarm_actions(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let alarms take their actions again; unknown names are passed over."""
    _enable(platform, request["AlarmNames"], enabled=True)
    return {}


def disable_alarm_actions(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let alarms change their states alone; unknown names are passed over."""
    _enable(platform, request["AlarmNames"], enabled=False)
    return {}


def _enable(platform: Platform, names: list[str], *, enabled: bool) -> None:
    for name in names:
        try:
            platform.alarms.enable_actions(name, enabled=enabled)
        except NoSuchResourceError:
            continue


OPERATIONS: dict[str, Operation] = {
    "DeleteAlarms": delete_alarms,
    "DescribeAlarms": describe_alarms,
    "DescribeAlarmsForMetric": describe_alarms_for_metric,
    "DisableAlarmActions": disable_alarm_actions,
    "EnableAlarmActions": enable_alarm_actions,
    "PutMetricAlarm": put_metric_alarm,
    "SetAlarmState": set_alarm_state,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "PutMetricAlarm": Exceptions(
        without_effect={
            "Tags": "tags of alarms are not kept",
            "ActionConfiguration": "tags of alarms are not kept",
            "Metrics.AccountId": "there is one account",
        },
        refused={
            "EvaluationCriteria": "alarms over PromQL are not carried out",
            "EvaluationInterval": "an alarm is looked at ten times a period, at most every 10 seconds",
            "EvaluationWindow": "windows are those of the period",
            "WarmUpConfiguration": "an alarm is judged from its first period on",
        },
    ),
}
