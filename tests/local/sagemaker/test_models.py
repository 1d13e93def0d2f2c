"""Models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.conftest import Front
from tests.local.jobs.job_platform import JobPlatform

from mlberth_local.api import registry
from mlberth_local.api.forms.models import service_model
from mlberth_local.errors import ServiceError
from mlberth_local.inputs import model_data
from mlberth_local.platform import Platform
from mlberth_local.sagemaker import models

MANY = {"Image": "a", "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/models"}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """Return a platform."""
    with closing(JobPlatform(tmp_path / "home")) as jobs:
        yield jobs.platform


def test_a_model_is_kept(platform: Platform) -> None:
    """It is described and listed as it was requested, and forgotten."""
    container = {"Image": "image", "ModelDataUrl": "s3://bucket/model.tar.gz"}
    made = models.create_model(platform, {"ModelName": "a", "PrimaryContainer": container})
    assert made == {"ModelArn": "arn:aws:sagemaker:us-east-1:000000000000:model/a"}
    found = models.describe_model(platform, {"ModelName": "a"})
    assert (found["PrimaryContainer"], found["ModelArn"]) == (container, made["ModelArn"])
    [summary] = models.list_models(platform, {})["Models"]
    assert summary["ModelName"] == "a"
    with pytest.raises(ServiceError, match='Cannot create already existing model "arn:'):
        models.create_model(platform, {"ModelName": "a", "PrimaryContainer": container})
    models.delete_model(platform, {"ModelName": "a"})
    for operation in (models.describe_model, models.delete_model):
        with pytest.raises(ServiceError, match='Could not find model "arn:'):
            operation(platform, {"ModelName": "a"})


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ({}, "PrimaryContainer or Containers is required"),
        ({"PrimaryContainer": {}}, "container 1: Image is required"),
        ({"Containers": []}, "PrimaryContainer or Containers is required"),
        ({"Containers": [{"Image": "a"}] * 16}, "Containers: at most 15; found 16"),
        (
            {"Containers": [{"Image": "a"}], "InferenceExecutionConfig": {"Mode": "Direct"}},
            "Direct needs at least 2",
        ),
        (
            {"Containers": [{"Image": "a", "ContainerHostname": "x"}, {"Image": "b"}]},
            "each container of a pipeline must have one, or none",
        ),
        ({"Containers": [{"Image": "a", "ContainerHostname": "x"}] * 2}, "must be unique"),
        ({"PrimaryContainer": {"Image": "a"}, "Containers": [{"Image": "b"}]}, "exclude each other"),
        ({"PrimaryContainer": {"Image": "a", "Mode": "MultiModel"}}, "needs a ModelDataUrl"),
        (
            {
                "PrimaryContainer": {
                    "Image": "a",
                    "Mode": "MultiModel",
                    "ModelDataSource": {"S3DataSource": {}},
                }
            },
            "ModelDataSource cannot be used",
        ),
        ({"Containers": [MANY, MANY]}, "only one may have Mode MultiModel; found 2"),
        (
            {"Containers": [MANY, {"Image": "b"}], "InferenceExecutionConfig": {"Mode": "Direct"}},
            "Direct cannot be used with a container of Mode MultiModel",
        ),
    ],
)
def test_faulty_models(platform: Platform, members: dict[str, Any], cause: str) -> None:
    """They are refused."""
    with pytest.raises(ServiceError, match=cause):
        models.create_model(platform, {"ModelName": "a", **members})


@pytest.mark.parametrize("member", ["ManifestEtag", "ManifestS3Uri"])
def test_sources_with_manifests(front: Front, member: str) -> None:
    """What is not carried out is refused, with the reason."""
    source = {"S3Uri": "s3://b/m/", "S3DataType": "S3Prefix", "CompressionType": "None", member: "s3://b/x"}
    container = {"Image": "a", "ModelDataSource": {"S3DataSource": source}}
    with pytest.raises(ClientError, match=f"{member} is not supported here: models have no manifests"):
        front.client("sagemaker").create_model(ModelName="a", PrimaryContainer=container)


def test_every_member_of_a_source_is_listed_or_read() -> None:
    """None is ignored without a word."""
    shape = service_model("sagemaker").operation_model("CreateModel").input_shape
    source = shape.members["PrimaryContainer"].members["ModelDataSource"].members["S3DataSource"]
    exceptions = registry.exceptions("sagemaker", "CreateModel")
    listed = {name.rpartition(".")[2] for name in (*exceptions.without_effect, *exceptions.refused)}
    read = Path(model_data.__file__).read_text()
    assert [name for name in source.members if name not in listed and f'"{name}"' not in read] == []
