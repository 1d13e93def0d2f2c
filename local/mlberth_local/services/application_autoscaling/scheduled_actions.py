"""Scheduled actions: limits of a target that change at a time."""

from __future__ import annotations

from typing import Any

from mlberth_local.errors import ServiceError, ValidationError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.scaling.cron import ScheduleError
from mlberth_local.scaling.records import SCHEDULED, key
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

_KEPT = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


def put_scheduled_action(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make a scheduled action of a target, or change one."""
    resource_id = find_target(platform, check_target(request)).name
    name = request["ScheduledActionName"]
    definition = {part: request[part] for part in _KEPT if request.get(part) is not None}
    is_new = find_part(platform, SCHEDULED, resource_id, name) is None
    if is_new and "Schedule" not in definition:
        raise ValidationError("Schedule must be given.")
    action = definition.get("ScalableTargetAction") or {}
    limits = [action[limit] for limit in ("MinCapacity", "MaxCapacity") if action.get(limit) is not None]
    if is_new and not limits:
        raise ValidationError("ScalableTargetAction must have MinCapacity, MaxCapacity or both.")
    if limits != sorted(limits) or any(limit < 0 for limit in limits):
        raise ValidationError("Maximum capacity cannot be less than minimum capacity, nor either below 0.")
    if (
        "StartTime" in definition
        and "EndTime" in definition
        and definition["StartTime"] >= definition["EndTime"]
    ):
        raise ValidationError("StartTime must be before EndTime.")
    try:
        platform.scaling.put_scheduled(resource_id, name, definition)
    except ScheduleError as error:
        raise ValidationError(f"Schedule: {error}.") from None
    return {}


def describe_scheduled_actions(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List scheduled actions."""
    found = find_parts(platform, SCHEDULED, request, request.get("ScheduledActionNames"))
    part, token = page(request, found)
    return {"ScheduledActions": [_described(row) for row in part], **token}


def _described(row: Resource) -> dict[str, Any]:
    name = row.name.partition("|")[2]
    return {"ScheduledActionName": name, "ScheduledActionARN": row.arn, **describe_part(row)}


def delete_scheduled_action(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a scheduled action."""
    resource_id, name = check_target(request), request["ScheduledActionName"]
    try:
        platform.scaling.resources.delete(SCHEDULED, key(resource_id, name))
    except NoSuchResourceError:
        text = f"No scheduled action found for{place(resource_id)}, scheduled action name: {name}"
        raise ServiceError("ObjectNotFoundException", text) from None
    return {}


OPERATIONS: dict[str, Operation] = {
    "DeleteScheduledAction": delete_scheduled_action,
    "DescribeScheduledActions": describe_scheduled_actions,
    "PutScheduledAction": put_scheduled_action,
}
EXCEPTIONS: dict[str, Exceptions] = {}
