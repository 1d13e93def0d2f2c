"""Endpoint configurations: the variants of endpoints, and how they are served."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mlberth_local.endpoints.multi_model import multi_model_place
from mlberth_local.errors import ValidationError
from mlberth_local.jobs.capacity import crowd
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import models
from mlberth_local.sagemaker.job_requests import raise_all
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

KIND = "endpoint-config"
SHADOWS = "ShadowProductionVariants"


def create_endpoint_config(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a configuration; nothing is started before an endpoint has it."""
    raise_all(list(_faults(request)))
    for variant in (*request["ProductionVariants"], *(request.get(SHADOWS) or [])):
        _check_model(request, models.find(platform, variant["ModelName"]), variant)
    name, now = request["EndpointConfigName"], platform.clock()
    arn = platform.arn("sagemaker", f"{KIND}/{name}")
    config = Resource(KIND, name, arn, now, now, "", request, finished=True)
    try:
        platform.jobs.context.resources.create(config)
    except NameTakenError:
        raise ValidationError(f'Cannot create already existing endpoint configuration "{arn}".') from None
    return {"EndpointConfigArn": arn}


def _check_model(request: dict[str, Any], model: Resource, variant: dict[str, Any]) -> None:
    """Raise ValidationError for a multi-model container that is asked for something else than a model.

    Source: the platform's documentation: such endpoints answer in real time, and have no shadows.
    """
    if multi_model_place(models.containers_of(model.request)) is None:
        return
    beside = [name for name in (SHADOWS, "AsyncInferenceConfig") if request.get(name)]
    beside += ["ServerlessConfig"] if variant.get("ServerlessConfig") else []
    if beside:
        text = f"a model with Mode MultiModel cannot be served with {' or '.join(beside)}"
        raise ValidationError(f'Cannot serve model "{model.arn}": {text}.')


def _faults(request: dict[str, Any]) -> Iterator[str]:
    variants, shadows = request["ProductionVariants"], request.get(SHADOWS) or []
    names = [variant["VariantName"] for variant in (*variants, *shadows)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"ProductionVariants: two are called {name}; variant names must be unique"
    if shadows and (len(variants) > 1 or len(shadows) > 1):
        yield f"{SHADOWS}: expected one shadow variant beside one production variant"
    if shadows and request.get("AsyncInferenceConfig"):
        yield f"{SHADOWS}: an endpoint with AsyncInferenceConfig has none"
    for variant in (*variants, *shadows):
        where = f"{SHADOWS if variant in shadows else 'ProductionVariants'}.{variant['VariantName']}"
        yield from _size_faults(where, variant)
        yield from weight_faults(f"{where}.InitialVariantWeight", variant.get("InitialVariantWeight"))
    yield from no_weight_faults([weight_of(variant) for variant in variants])
    if any(variant.get("ServerlessConfig") for variant in variants):
        beside = [
            name for name in (SHADOWS, "AsyncInferenceConfig", "DataCaptureConfig") if request.get(name)
        ]
        if len(variants) > 1:
            beside.append("a second variant")
        for name in beside:
            yield f"ProductionVariants: an endpoint with ServerlessConfig has no place for {name}"


def _size_faults(where: str, variant: dict[str, Any]) -> Iterator[str]:
    serverless = variant.get("ServerlessConfig")
    needed = ("ModelName",) if serverless else ("ModelName", "InstanceType", "InitialInstanceCount")
    for member in needed:
        if variant.get(member) is None:
            yield f"{where}.{member} is required"
    if text := crowd([(variant.get("InstanceType") or "local", variant.get("InitialInstanceCount") or 0)]):
        yield f"{where}.InitialInstanceCount: {text}"
    if not serverless:
        return
    for member in ("InstanceType", "InitialInstanceCount"):
        if variant.get(member) is not None:
            yield f"{where}.{member} has no place beside ServerlessConfig"
    if (memory := serverless["MemorySizeInMB"]) % 1024:
        yield f"{where}.ServerlessConfig.MemorySizeInMB: {memory} must be a multiple of 1024"
    provisioned = serverless.get("ProvisionedConcurrency")
    if provisioned and provisioned > serverless["MaxConcurrency"]:
        yield (
            f"{where}.ServerlessConfig.ProvisionedConcurrency: {provisioned} must be at most MaxConcurrency, "
            f"{serverless['MaxConcurrency']}"
        )


def weight_of(variant: dict[str, Any]) -> float:
    """Return the weight that a variant begins with."""
    weight = variant.get("InitialVariantWeight")
    return 1.0 if weight is None else weight


def weight_faults(member: str, weight: float | None) -> Iterator[str]:
    """Yield the fault of a weight that is none."""
    if weight is not None and not (math.isfinite(weight) and weight >= 0):
        yield f"{member}: {weight} must be a number of 0 or more"


def no_weight_faults(weights: list[float]) -> Iterator[str]:
    """Yield the fault of weights by which no variant gets a request."""
    if weights and not any(weights):
        yield "ProductionVariants: the weights of all variants are 0; at least one must be greater than 0"


def find(platform: Platform, name: str) -> Resource:
    """Return a configuration. Raises ValidationError: the operations declare no other error."""
    try:
        config: Resource = platform.jobs.context.resources.get(KIND, name)
    except NoSuchResourceError:
        arn = platform.arn("sagemaker", f"{KIND}/{name}")
        raise ValidationError(f'Could not find endpoint configuration "{arn}".') from None
    return config


def describe_endpoint_config(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration's request."""
    config = find(platform, request["EndpointConfigName"])
    answer = {name: value for name, value in config.request.items() if name != "Tags"}
    for place in ("ProductionVariants", SHADOWS):
        if place in answer:
            answer[place] = [{**one, "InitialVariantWeight": weight_of(one)} for one in answer[place]]
    return {
        **answer,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


def list_endpoint_configs(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List configurations, a page at a time."""
    return list_page(platform.jobs.context.resources, KIND, request, "EndpointConfigs", _summary)


def _summary(config: Resource) -> dict[str, Any]:
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": config.arn,
        "CreationTime": config.created,
    }


def delete_endpoint_config(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a configuration; endpoints that have it go on."""
    platform.jobs.context.resources.delete(KIND, find(platform, request["EndpointConfigName"]).name)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateEndpointConfig": create_endpoint_config,
    "DeleteEndpointConfig": delete_endpoint_config,
    "DescribeEndpointConfig": describe_endpoint_config,
    "ListEndpointConfigs": list_endpoint_configs,
}
_ONE_MACHINE = "there is one machine, and no account"
_WITHOUT_EFFECT = {
    "AcceleratorPartitionLayouts": _ONE_MACHINE,
    "AcceleratorType": _ONE_MACHINE,
    "CapacityReservationConfig": _ONE_MACHINE,
    "CoreDumpConfig": "core dumps are not kept",
    "EnableSSMAccess": _ONE_MACHINE,
    "InferenceAmiVersion": _ONE_MACHINE,
    "RoutingConfig": "a request goes to the instance with the fewest outstanding ones",
    "VariantInstanceProvisionTimeoutInSeconds": "there are no instances to wait for",
    "VolumeSizeInGB": "the machine's disk is used",
}
_REFUSED = {
    "InstancePools": _ONE_MACHINE,
    "ManagedInstanceScaling": "it belongs to inference components, and there are none",
}
_PLACES = ("ProductionVariants", SHADOWS)
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateEndpointConfig": Exceptions(
        without_effect={
            "CrossRegionTrafficConfig": _ONE_MACHINE,
            "ExecutionRoleArn": _ONE_MACHINE,
            "KmsKeyId": "the disk is not encrypted by the platform",
            "MetricsConfig": "metrics are published as often as always",
            "VpcConfig": _ONE_MACHINE,
            "AsyncInferenceConfig.OutputConfig.KmsKeyId": "objects are not encrypted",
            "DataCaptureConfig.KmsKeyId": "objects are not encrypted",
            **{f"{place}.{name}": why for place in _PLACES for name, why in _WITHOUT_EFFECT.items()},
        },
        refused={
            "ExplainerConfig": "there are no explainers",
            **{f"{place}.{name}": why for place in _PLACES for name, why in _REFUSED.items()},
        },
    ),
}
