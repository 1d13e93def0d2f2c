"""Models: what is served, and from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlberth_local.endpoints.multi_model import is_multi_model
from mlberth_local.errors import ValidationError
from mlberth_local.inputs.objects import split
from mlberth_local.operations import ONE_MACHINE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.sagemaker.job_requests import raise_all
from mlberth_local.sagemaker.resource_lists import list_page
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Resource

KIND = "model"
_MOST_CONTAINERS = 15


def create_model(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Keep a model; nothing is fetched or started before it is used."""
    containers = containers_of(request)
    faults = [] if containers else ["PrimaryContainer or Containers is required"]
    if request.get("PrimaryContainer") and request.get("Containers"):
        faults.append("PrimaryContainer and Containers exclude each other")
    for number, container in enumerate(containers, 1):
        if not container.get("Image"):
            faults.append(f"container {number}: Image is required")
    if len(containers) > 1:
        faults += _hostname_faults([container.get("ContainerHostname") for container in containers])
    elif (request.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct":
        faults.append("InferenceExecutionConfig.Mode: Direct needs at least 2 containers")
    faults += _multi_model_faults(request, containers)
    if len(containers) > _MOST_CONTAINERS:
        faults.append(f"Containers: at most {_MOST_CONTAINERS}; found {len(containers)}")
    raise_all(faults)
    name, now = request["ModelName"], platform.clock()
    arn = platform.arn("sagemaker", f"model/{name}")
    model = Resource(KIND, name, arn, now, now, "", request, finished=True)
    try:
        platform.jobs.context.resources.create(model)
    except NameTakenError:
        raise ValidationError(f'Cannot create already existing model "{arn}".') from None
    return {"ModelArn": arn}


def _multi_model_faults(request: dict[str, Any], containers: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the faults of containers that load models by request.

    Source: the platform's documentation of multi-model endpoints, and of `ModelDataSource`.
    """
    numbers = [number for number, one in enumerate(containers, 1) if is_multi_model(one)]
    for number in numbers:
        container = containers[number - 1]
        if container.get("ModelDataSource"):
            yield f"container {number}: ModelDataSource cannot be used with Mode MultiModel; use ModelDataUrl"
        elif not _is_address(container.get("ModelDataUrl") or ""):
            yield f"container {number}: Mode MultiModel needs a ModelDataUrl, the S3 prefix of its models"
    if len(numbers) > 1:
        yield f"Containers: only one may have Mode MultiModel; found {len(numbers)}"
    if numbers and (request.get("InferenceExecutionConfig") or {}).get("Mode") == "Direct":
        yield "InferenceExecutionConfig.Mode: Direct cannot be used with a container of Mode MultiModel"


def _is_address(text: str) -> bool:
    try:
        split(text)
    except ValueError:
        return False
    return True


def _hostname_faults(names: list[str | None]) -> list[str]:
    given = [name for name in names if name]
    if given and len(given) < len(names):
        return ["ContainerHostname: each container of a pipeline must have one, or none"]
    if len(set(given)) < len(given):
        return ["ContainerHostname: the names of a pipeline's containers must be unique"]
    return []


def containers_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers of a request: one, or those of a pipeline."""
    primary = request.get("PrimaryContainer")
    return list(request.get("Containers") or []) if primary is None else [primary]


def find(platform: Platform, name: str) -> Resource:
    """Return a model. Raises ValidationError: the operations declare no other error."""
    try:
        model: Resource = platform.jobs.context.resources.get(KIND, name)
    except NoSuchResourceError:
        arn = platform.arn("sagemaker", f"model/{name}")
        raise ValidationError(f'Could not find model "{arn}".') from None
    return model


def describe_model(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a model's request."""
    model = find(platform, request["ModelName"])
    answer = {name: value for name, value in model.request.items() if name != "Tags"}
    isolated = bool(answer.get("EnableNetworkIsolation"))
    return answer | {
        "EnableNetworkIsolation": isolated,
        "ModelArn": model.arn,
        "CreationTime": model.created,
    }


def list_models(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List models, a page at a time."""
    return list_page(platform.jobs.context.resources, KIND, request, "Models", _summary)


def _summary(model: Resource) -> dict[str, Any]:
    return {"ModelName": model.name, "ModelArn": model.arn, "CreationTime": model.created}


def delete_model(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a model; its artifacts stay."""
    platform.jobs.context.resources.delete(KIND, find(platform, request["ModelName"]).name)
    return {}


OPERATIONS: dict[str, Operation] = {
    "CreateModel": create_model,
    "DeleteModel": delete_model,
    "DescribeModel": describe_model,
    "ListModels": list_models,
}
_IN_CONTAINERS_WITHOUT_EFFECT = {
    "ContainerMetricsConfig": "Prometheus reads /metrics at the ports that `mlberth status` shows",
    "ImageConfig": "images are local",
    "InferenceSpecificationName": "there is no model registry",
    "ModelDataSource.S3DataSource.ETag": "the object is taken as it is",
    "ModelDataSource.S3DataSource.ModelAccessConfig": ONE_MACHINE,
}
_IN_CONTAINERS_REFUSED = {
    "AdditionalModelDataSources": "a model has one source",
    "ModelDataSource.S3DataSource.HubAccessConfig": "there is no hub",
    "ModelDataSource.S3DataSource.ManifestEtag": "models have no manifests",
    "ModelDataSource.S3DataSource.ManifestS3Uri": "models have no manifests",
    "ModelPackageName": "there is no model registry",
}
_PLACES = ("PrimaryContainer", "Containers")
EXCEPTIONS: dict[str, Exceptions] = {
    "CreateModel": Exceptions(
        without_effect={
            "ExecutionRoleArn": ONE_MACHINE,
            "VpcConfig": ONE_MACHINE,
            "EnableNetworkIsolation": "a model server is reached over its network; it gets no keys",
            **{
                f"{place}.{name}": why
                for place in _PLACES
                for name, why in _IN_CONTAINERS_WITHOUT_EFFECT.items()
            },
        },
        refused={f"{place}.{name}": why for place in _PLACES for name, why in _IN_CONTAINERS_REFUSED.items()},
    ),
}
