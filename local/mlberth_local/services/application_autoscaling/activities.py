"""Scaling activities: changes of numbers of instances, newest first."""

from __future__ import annotations

from typing import Any

from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.scaling.records import ACTIVITY, TARGET, rows
from mlberth_local.scaling.variants import DIMENSION
from mlberth_local.services.application_autoscaling.requests import NAMESPACE, check_namespace, page
from mlberth_local.store.events import EventQuery

_MOST = 10_000


def describe_scaling_activities(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the changes of the last weeks, also of targets that are gone."""
    check_namespace(request)
    resource_id = request.get("ResourceId") or ""
    running = [
        (row.name, row.state["activity"])
        for row in rows(platform.scaling.resources, TARGET, resource_id)
        if row.state["activity"] is not None
    ]
    ended, _ = platform.scaling.events.list(EventQuery(ACTIVITY, name=resource_id, limit=_MOST))
    found = sorted(
        [*running, *((event.name, event.data) for event in ended)],
        key=lambda one: float(one[1]["StartTime"]),
        reverse=True,
    )
    part, token = page(request, found)
    return {"ScalingActivities": [_described(name, activity) for name, activity in part], **token}


def _described(resource_id: str, activity: Any) -> dict[str, Any]:
    return {
        **activity,
        "ServiceNamespace": NAMESPACE,
        "ResourceId": resource_id,
        "ScalableDimension": DIMENSION,
    }


OPERATIONS: dict[str, Operation] = {"DescribeScalingActivities": describe_scaling_activities}
EXCEPTIONS: dict[str, Exceptions] = {
    "DescribeScalingActivities": Exceptions(
        without_effect={"IncludeNotScaledActivities": "reasons not to scale are not kept"}
    )
}
