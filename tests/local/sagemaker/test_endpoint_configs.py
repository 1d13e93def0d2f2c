"""Endpoint configurations."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.local.jobs.job_platform import JobPlatform

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import endpoint_configs, models


@pytest.fixture
def platform(jobs: JobPlatform) -> Platform:
    """Return a platform with the model `m`, and one of several models, `many`."""
    for name, mode in (("m", "SingleModel"), ("many", "MultiModel")):
        container = {"Image": "image", "Mode": mode, "ModelDataUrl": "s3://bucket/models/"}
        models.create_model(jobs.platform, {"ModelName": name, "PrimaryContainer": container})
    return jobs.platform


def variant(name: str = "v", **members: Any) -> dict[str, Any]:
    """Return a variant."""
    return {
        "VariantName": name,
        "ModelName": "m",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
        **members,
    }


def create(platform: Platform, *variants: dict[str, Any], name: str = "c") -> dict[str, Any]:
    """Create a configuration."""
    request = {"EndpointConfigName": name, "ProductionVariants": list(variants)}
    return endpoint_configs.create_endpoint_config(platform, request)


def test_a_configuration_is_kept(platform: Platform) -> None:
    """It is described and listed as it was requested, with its weights, and forgotten."""
    made = create(platform, variant())
    assert made == {"EndpointConfigArn": "arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/c"}
    found = endpoint_configs.describe_endpoint_config(platform, {"EndpointConfigName": "c"})
    assert found["ProductionVariants"] == [variant(InitialVariantWeight=1.0)]
    [summary] = endpoint_configs.list_endpoint_configs(platform, {})["EndpointConfigs"]
    assert summary["EndpointConfigName"] == "c"
    with pytest.raises(ServiceError, match='Cannot create already existing endpoint configuration "arn:'):
        create(platform, variant())
    endpoint_configs.delete_endpoint_config(platform, {"EndpointConfigName": "c"})
    for operation in (endpoint_configs.describe_endpoint_config, endpoint_configs.delete_endpoint_config):
        with pytest.raises(ServiceError, match='Could not find endpoint configuration "arn:'):
            operation(platform, {"EndpointConfigName": "c"})


def test_many_models(platform: Platform) -> None:
    """They are served in real time alone, as on the platform."""
    create(platform, variant(ModelName="many"))
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 1}
    refused: dict[str, dict[str, Any]] = {
        "ServerlessConfig": {
            "ProductionVariants": [{"VariantName": "v", "ModelName": "many", "ServerlessConfig": serverless}]
        },
        "AsyncInferenceConfig": {
            "ProductionVariants": [variant(ModelName="many")],
            "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}},
        },
        "ShadowProductionVariants": {
            "ProductionVariants": [variant()],
            "ShadowProductionVariants": [variant("w", ModelName="many")],
        },
    }
    for place, request in refused.items():
        with pytest.raises(ServiceError, match=f"Mode MultiModel cannot be served with {place}"):
            endpoint_configs.create_endpoint_config(platform, {"EndpointConfigName": "d", **request})


@pytest.mark.parametrize(
    ("variants", "causes"),
    [
        ([variant(), variant()], ["two are called v"]),
        ([variant(ModelName="none")], ['Could not find model "arn:']),
        (
            [variant(InitialVariantWeight=-1.0)],
            ["v.InitialVariantWeight: -1.0 must be a number of 0 or more"],
        ),
        ([variant(InitialVariantWeight=math.nan)], ["nan must be a number"]),
        ([variant(InitialVariantWeight=math.inf)], ["inf must be a number"]),
        ([variant(InitialVariantWeight=0.0), variant("w", InitialVariantWeight=0)], ["all variants are 0"]),
        (
            [{"VariantName": "v", "InitialVariantWeight": -1.0}],
            ["ModelName is required", "InstanceType is required", "InitialInstanceCount is", "-1.0"],
        ),
    ],
)
def test_faulty_configurations(platform: Platform, variants: list[dict[str, Any]], causes: list[str]) -> None:
    """They are refused, with all that is wrong."""
    with pytest.raises(ServiceError) as raised:
        create(platform, *variants)
    for cause in causes:
        assert cause in str(raised.value)
    assert endpoint_configs.list_endpoint_configs(platform, {})["EndpointConfigs"] == []


def test_more_instances_than_one_machine_can_have(platform: Platform) -> None:
    with pytest.raises(ServiceError, match=r"InitialInstanceCount: .* expected at most 100"):
        create(platform, variant(InitialInstanceCount=101))
