"""The answers that describe endpoints, made of their records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth_local.endpoints.deployment import BAKING, CREATING, ENDING, LAUNCHING, RETURNING, SCALING
from mlberth_local.endpoints.record import Deployment, EndpointState, Fleet, state_of
from mlberth_local.images import FindImage
from mlberth_local.store.resources import Resource


def describe(endpoint: Resource, find_image: FindImage) -> dict[str, Any]:
    """Return the answer of DescribeEndpoint."""
    state = state_of(endpoint)
    shown = state.serving or state.pending
    answer: dict[str, Any] = {
        **_names(endpoint),
        "EndpointConfigName": shown.config_name if shown else endpoint.request["EndpointConfigName"],
    }
    if shown:
        answer |= _variants(shown, state, find_image)
        if capture := shown.config.get("DataCaptureConfig"):
            answer["DataCaptureConfig"] = _capture(capture)
    if pending := state.pending:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending.config_name,
            **_variants(pending, state, find_image, is_pending=True),
            "StartTime": pending.started,
        }
    if state.deployment_config:
        answer["LastDeploymentConfig"] = state.deployment_config
    if state.reason:
        answer["FailureReason"] = state.reason
    return answer


def summary(endpoint: Resource) -> dict[str, Any]:
    """Return the entry of ListEndpoints."""
    return _names(endpoint)


def _names(endpoint: Resource) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }


def _capture(config: Mapping[str, Any]) -> dict[str, Any]:
    enabled = bool(config.get("EnableCapture"))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId") or "",
    }


def _variants(
    deployment: Deployment, state: EndpointState, find_image: FindImage, *, is_pending: bool = False
) -> dict[str, Any]:
    """Return the production variants of a deployment, and its shadow variants if it has any."""
    found: dict[str, Any] = {"ProductionVariants": []}
    for fleet in deployment.fleets:
        variant = _variant(fleet, deployment, state, find_image)
        if is_pending:
            variant |= {"InstanceType": fleet.plan["InstanceType"]} if "InstanceType" in fleet.plan else {}
        place = "ShadowProductionVariants" if fleet.shadow else "ProductionVariants"
        found.setdefault(place, []).append(variant)
    return found


def _variant(
    fleet: Fleet, deployment: Deployment, state: EndpointState, find_image: FindImage
) -> dict[str, Any]:
    before = state.before.get(fleet.variant)
    found = {
        "VariantName": fleet.variant,
        "DeployedImages": [
            {
                "SpecifiedImage": container["Image"],
                "ResolvedImage": find_image(container["Image"], "serve"),
                "ResolutionTime": deployment.started,
            }
            for container in fleet.containers
        ],
        "CurrentWeight": before[0] if before else fleet.weight,
        "DesiredWeight": fleet.weight,
        **_status(deployment, state),
    }
    if fleet.is_serverless:
        serverless = fleet.plan["ServerlessConfig"]
        return found | {"CurrentServerlessConfig": serverless, "DesiredServerlessConfig": serverless}
    return found | {"CurrentInstanceCount": fleet.ready, "DesiredInstanceCount": fleet.desired}


def _status(deployment: Deployment, state: EndpointState) -> dict[str, Any]:
    """Return the status of a deployment's variants: there is one only while something is being changed."""
    if deployment is state.pending:
        status, message = {
            LAUNCHING: (CREATING, f"Starting the instances of {deployment.config_name}"),
            BAKING: ("Baking", f"{deployment.share:.0%} of the traffic goes to {deployment.config_name}"),
            ENDING: ("ActivatingTraffic", f"All traffic goes to {deployment.config_name}"),
        }.get(state.stage, ("Deleting", f"The instances of {deployment.config_name} end"))
    elif state.stage == ENDING and state.pending:
        status, message = "Deleting", f"The instances of {deployment.config_name} end"
    elif state.stage in (SCALING, RETURNING):
        status, message = "Updating", "Changing weights and numbers of instances"
    else:
        return {}
    return {"VariantStatus": [{"Status": status, "StatusMessage": message, "StartTime": state.since}]}
