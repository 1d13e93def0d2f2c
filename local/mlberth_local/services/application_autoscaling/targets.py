"""Scalable targets: variants whose numbers of instances may be changed, and within which limits."""

from __future__ import annotations

from typing import Any

from mlberth_local.errors import ValidationError
from mlberth_local.operations import ONE_MACHINE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.scaling.records import TARGET, Target, rows, target_of
from mlberth_local.scaling.variants import DIMENSION, names_of
from mlberth_local.services.application_autoscaling.requests import (
    NAMESPACE,
    check_namespace,
    check_target,
    find_target,
    page,
)
from mlberth_local.store.resources import Resource

_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def register_scalable_target(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a variant be scaled, or change its limits."""
    resource_id = check_target(request)
    endpoint, variant = names_of(resource_id) or ("", "")
    found = platform.scaling.variants.find(endpoint, variant)
    if found is None:
        raise ValidationError(f"There is no variant {variant!r} of an endpoint {endpoint!r}.")

    def apply(target: Target) -> None:
        is_new = target.most < 0
        least, most = request.get("MinCapacity"), request.get("MaxCapacity")
        if is_new and (least is None or most is None):
            raise ValidationError("MinCapacity and MaxCapacity must be given when a target is registered.")
        target.least = target.least if least is None else least
        target.most = target.most if most is None else most
        if target.least < found.least:
            text = f"MinCapacity: found {target.least}; expected at least {found.least} for this endpoint."
            raise ValidationError(text)
        if target.most < target.least:
            text = f"Maximum capacity cannot be less than minimum capacity: {target.most} and {target.least}."
            raise ValidationError(text)
        target.role = request.get("RoleARN") or target.role
        target.suspended |= request.get("SuspendedState") or {}

    return {"ScalableTargetARN": platform.scaling.register(resource_id, apply).arn}


def deregister_scalable_target(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a target with its policies and scheduled actions; the instances stay as they are."""
    resource_id = find_target(platform, check_target(request)).name
    platform.scaling.deregister(resource_id)
    return {}


def describe_scalable_targets(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List targets."""
    check_namespace(request)
    wanted = request.get("ResourceIds")
    found = [row for row in rows(platform.scaling.resources, TARGET) if not wanted or row.name in wanted]
    part, token = page(request, found)
    return {"ScalableTargets": [_described(platform, row) for row in part], **token}


def _described(platform: Platform, row: Resource) -> dict[str, Any]:
    target = target_of(row)
    service_role = "aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleFor"
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": row.name,
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.least,
        "MaxCapacity": target.most,
        "RoleARN": target.role
        or platform.arn("iam", f"role/{service_role}ApplicationAutoScaling_SageMakerEndpoint"),
        "CreationTime": row.created,
        "SuspendedState": {name: target.suspended.get(name, False) for name in _SUSPENDED},
        "ScalableTargetARN": row.arn,
    }


OPERATIONS: dict[str, Operation] = {
    "DeregisterScalableTarget": deregister_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "RegisterScalableTarget": register_scalable_target,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "RegisterScalableTarget": Exceptions(
        without_effect={"RoleARN": ONE_MACHINE, "Tags": "tags of targets are not kept"}
    )
}
