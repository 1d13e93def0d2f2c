"""Endpoints: created, described, updated, scaled and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mlberth_local.endpoints import deployment, guardrails
from mlberth_local.endpoints.record import KIND, Deployment, EndpointState, Fleet, keep
from mlberth_local.errors import ValidationError
from mlberth_local.jobs.capacity import crowd
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import endpoint_configs, models
from mlberth_local.sagemaker.endpoint_configs import no_weight_faults, weight_faults, weight_of
from mlberth_local.sagemaker.endpoint_description import describe, summary
from mlberth_local.sagemaker.job_requests import raise_all
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

_NOT_KEPT = ("ProductionVariants", endpoint_configs.SHADOWS, "Tags")
_DESIRED_COUNT, _DESIRED_WEIGHT = "DesiredInstanceCount", "DesiredWeight"


def create_endpoint(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to serve a configuration."""
    name, now = request["EndpointName"], platform.clock()
    arn = _arn(platform, name)
    endpoint = Resource(KIND, name, arn, now, now, deployment.CREATING, request)
    state = EndpointState()
    new = _deployment(platform, request["EndpointConfigName"], 1, now)
    _check_guardrails(platform, request.get("DeploymentConfig"), new)
    deployment.begin(endpoint, state, new, now, config=request.get("DeploymentConfig"))
    keep(endpoint, state)
    try:
        platform.endpoints.create(endpoint)
    except NameTakenError:
        raise ValidationError(f'Cannot create already existing endpoint "{arn}".') from None
    return {"EndpointArn": arn}


def _check_guardrails(platform: Platform, config: Mapping[str, Any] | None, new: Deployment) -> None:
    faults = list(guardrails.faults(config, new.capacity))
    for name in guardrails.alarms(config):
        try:
            platform.alarms.state_of(name)
        except NoSuchResourceError:
            faults.append(f"DeploymentConfig: there is no alarm {name}")
    raise_all(faults)


def _deployment(platform: Platform, config_name: str, number: int, now: float) -> Deployment:
    """Return a configuration with its models as they are now: either may be deleted later."""
    config = endpoint_configs.find(platform, config_name).request
    fleets = [_fleet(platform, variant, config) for variant in config["ProductionVariants"]]
    fleets += [
        replace(_fleet(platform, variant, config), shadow=True)
        for variant in config.get(endpoint_configs.SHADOWS) or []
    ]
    others = {name: value for name, value in config.items() if name not in _NOT_KEPT}
    return Deployment(number, config_name, others, fleets, started=now)


def _fleet(platform: Platform, variant: dict[str, Any], config: Mapping[str, Any]) -> Fleet:
    model = models.find(platform, variant["ModelName"]).request
    return Fleet(
        variant["VariantName"],
        variant,
        models.containers_of(model),
        weight_of(variant),
        1 if variant.get("ServerlessConfig") else variant["InitialInstanceCount"],
        direct=(model.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct",
        isolated=bool(model.get("EnableNetworkIsolation") or config.get("EnableNetworkIsolation")),
    )


def _arn(platform: Platform, name: str) -> str:
    return platform.arn("sagemaker", f"{KIND}/{name}")


def find(platform: Platform, name: str) -> Resource:
    """Return an endpoint. Raises ValidationError: the operations declare no other error."""
    try:
        endpoint: Resource = platform.jobs.context.resources.get(KIND, name)
    except NoSuchResourceError:
        raise _not_found(platform, name) from None
    return endpoint


def _not_found(platform: Platform, name: str) -> ValidationError:
    return ValidationError(f'Could not find endpoint "{_arn(platform, name)}".')


def describe_endpoint(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return how far an endpoint is."""
    return describe(find(platform, request["EndpointName"]), platform.jobs.context.find_image)


def list_endpoints(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List endpoints, a page at a time."""
    return list_page(platform.jobs.context.resources, KIND, request, "Endpoints", summary)


def update_endpoint(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to serve another configuration; the one before serves until it is ready."""
    name, now = request["EndpointName"], platform.clock()
    new = _deployment(platform, request["EndpointConfigName"], 0, now)

    def apply(endpoint: Resource, state: EndpointState) -> None:
        _check_in_service(endpoint)
        [old] = state.deployments
        new.number = old.number + 1
        raise_all(list(_kind_faults(old, new)))
        if request.get("RetainAllVariantProperties"):
            _retain(old, new, request.get("ExcludeRetainedVariantProperties") or [])
        raise_all(list(no_weight_faults([fleet.weight for fleet in new.fleets if not fleet.shadow])))
        before = state.deployment_config if request.get("RetainDeploymentConfig") else None
        config = request.get("DeploymentConfig") or before
        _check_guardrails(platform, config, new)
        deployment.begin(endpoint, state, new, now, config=config)

    return _change(platform, name, apply)


def _kind_faults(old: Deployment, new: Deployment) -> Iterator[str]:
    """Yield what an update may not change. Source: the platform's documentation."""
    before = {fleet.is_serverless for fleet in old.fleets}
    if any(fleet.is_serverless for fleet in new.fleets) and before == {False}:
        yield "An endpoint with instances cannot become serverless: create another endpoint"
    if "AsyncInferenceConfig" in old.config and "AsyncInferenceConfig" not in new.config:
        yield "The AsyncInferenceConfig parameter cannot be removed from this endpoint"


def _retain(old: Deployment, new: Deployment, excluded: list[dict[str, str]]) -> None:
    """Let variants of the same name keep their weights and numbers of instances, but for what is excluded."""
    left_out = {one["VariantPropertyType"] for one in excluded}
    before = {fleet.variant: fleet for fleet in old.fleets}
    for fleet in new.fleets:
        if fleet.variant in before:
            if _DESIRED_WEIGHT not in left_out:
                fleet.weight = before[fleet.variant].weight
            if _DESIRED_COUNT not in left_out:
                fleet.desired = before[fleet.variant].desired


def update_endpoint_weights_and_capacities(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to change the weights and the numbers of instances of some variants."""
    wanted = {one["VariantName"]: one for one in request["DesiredWeightsAndCapacities"]}

    def apply(endpoint: Resource, state: EndpointState) -> None:
        _check_in_service(endpoint)
        raise_all(_scaling_faults(state.deployments[0], wanted, len(request["DesiredWeightsAndCapacities"])))
        changes = {
            name: (one.get("DesiredWeight"), one.get("DesiredInstanceCount")) for name, one in wanted.items()
        }
        deployment.begin_scaling(endpoint, state, changes, platform.clock())

    return _change(platform, request["EndpointName"], apply)


def _scaling_faults(serving: Deployment, wanted: Mapping[str, dict[str, Any]], entries: int) -> list[str]:
    there = {fleet.variant: fleet for fleet in serving.fleets}
    faults = [
        f"DesiredWeightsAndCapacities: the endpoint has no variant {name}; it has {', '.join(there)}"
        for name in wanted
        if name not in there
    ]
    if entries != len(wanted):
        faults.append("DesiredWeightsAndCapacities: a variant is named more than once")
    for name, one in wanted.items():
        where = f"DesiredWeightsAndCapacities.{name}"
        faults += weight_faults(f"{where}.DesiredWeight", one.get("DesiredWeight"))
        if text := crowd([(name, one.get("DesiredInstanceCount") or 0)]):
            faults.append(f"{where}.DesiredInstanceCount: {text}")
        if one.get("DesiredInstanceCount") == 0 and "AsyncInferenceConfig" not in serving.config:
            faults.append(f"{where}.DesiredInstanceCount: 0 must be 1 or more")
    weights = [
        fleet.weight if (wanted.get(name, {}).get("DesiredWeight")) is None else wanted[name]["DesiredWeight"]
        for name, fleet in there.items()
        if not fleet.shadow
    ]
    return faults + list(no_weight_faults(weights))


def delete_endpoint(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Begin to end an endpoint; its configuration and its model stay."""

    def apply(endpoint: Resource, state: EndpointState) -> None:
        # One that comes back with the platform may be deleted: it may never do so.
        if endpoint.status in deployment.IN_PROGRESS - {deployment.SYSTEM_UPDATING}:
            raise _in_progress(endpoint)
        deployment.begin_deleting(endpoint, state, platform.clock())

    _change(platform, request["EndpointName"], apply)
    return {}


def _check_in_service(endpoint: Resource) -> None:
    if endpoint.status in deployment.IN_PROGRESS:
        raise _in_progress(endpoint)
    if endpoint.status in (deployment.FAILED, deployment.ROLLBACK_FAILED):
        raise ValidationError(f'Cannot update failed endpoint "{endpoint.arn}"; it can only be deleted.')


def _in_progress(endpoint: Resource) -> ValidationError:
    return ValidationError(f'Cannot update in-progress endpoint "{endpoint.arn}".')


def _change(platform: Platform, name: str, apply: Any) -> dict[str, Any]:
    try:
        platform.endpoints.change(name, apply)
    except NoSuchResourceError:
        raise _not_found(platform, name) from None
    return {"EndpointArn": _arn(platform, name)}


OPERATIONS: dict[str, Operation] = {
    "CreateEndpoint": create_endpoint,
    "DeleteEndpoint": delete_endpoint,
    "DescribeEndpoint": describe_endpoint,
    "ListEndpoints": list_endpoints,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "UpdateEndpointWeightsAndCapacities": Exceptions(
        refused={"DesiredWeightsAndCapacities.ServerlessUpdateConfig": "all variants have instances"}
    ),
}
