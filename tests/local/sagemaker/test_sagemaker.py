"""Requests that lack a member: each is answered, and what it makes comes to an end that is not our fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.local.jobs.job_platform import BUCKET, JobPlatform

from mlberth_local.api import registry
from mlberth_local.api.calls import call
from mlberth_local.api.request_reader import read_request
from mlberth_local.api.routing import Route
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest
from mlberth_local.platform import Platform
from mlberth_local.store.resources import Resource

ROLE = "arn:aws:iam::000000000000:role/mlberth"
TAGS = [{"Key": "k", "Value": "v"}]
VPC = {"SecurityGroupIds": ["sg"], "Subnets": ["subnet"]}
S3 = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in", "S3DataDistributionType": "FullyReplicated"}
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {"S3DataSource": {**S3, "InstanceGroupNames": ["one"], "AttributeNames": ["a"]}},
    "ContentType": "text/csv",
    "CompressionType": "None",
    "RecordWrapperType": "None",
    "InputMode": "File",
    "ShuffleConfig": {"Seed": 1},
}
TRAINING = {
    "AlgorithmSpecification": {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss"}],
        "ContainerEntrypoint": ["true"],
        "ContainerArguments": ["a"],
    },
    "RoleArn": ROLE,
    "HyperParameters": {"epochs": "1"},
    "Environment": {"A": "a"},
    "InputDataConfig": [CHANNEL],
    "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/out", "CompressionType": "NONE"},
    "ResourceConfig": {
        "InstanceGroups": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "one"}],
        "VolumeSizeInGB": 1,
        "KeepAlivePeriodInSeconds": 60,
    },
    "StoppingCondition": {
        "MaxRuntimeInSeconds": 60,
        "MaxWaitTimeInSeconds": 60,
        "MaxPendingTimeInSeconds": 7200,
    },
    "CheckpointConfig": {"S3Uri": f"s3://{BUCKET}/saved", "LocalPath": "/opt/ml/checkpoints"},
    "EnableManagedSpotTraining": True,
    "VpcConfig": VPC,
    "Tags": TAGS,
    "RetryStrategy": {"MaximumRetryAttempts": 1},
}
INSTANCE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
PROCESSING = {
    "AppSpecification": {
        "ImageUri": "image",
        "ContainerEntrypoint": ["true"],
        "ContainerArguments": ["a"],
    },
    "RoleArn": ROLE,
    "Environment": {"A": "a"},
    "ProcessingInputs": [
        {
            "InputName": "in",
            "AppManaged": False,
            "S3Input": {
                **S3,
                "LocalPath": "/opt/ml/processing/in",
                "S3InputMode": "File",
                "S3CompressionType": "None",
            },
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": name,
                "AppManaged": managed,
                "S3Output": {
                    "S3Uri": f"s3://{BUCKET}/out",
                    "LocalPath": f"/opt/ml/processing/{name}",
                    "S3UploadMode": mode,
                },
            }
            for name, managed, mode in [("a", False, "EndOfJob"), ("b", True, "Continuous")]
        ]
    },
    "ProcessingResources": {"ClusterConfig": {**INSTANCE, "VolumeSizeInGB": 1}},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "NetworkConfig": {"EnableNetworkIsolation": False, "VpcConfig": VPC},
    "Tags": TAGS,
}
TRANSFORM = {
    "ModelName": "model",
    "MaxConcurrentTransforms": 1,
    "ModelClientConfig": {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 1},
    "MaxPayloadInMB": 1,
    "BatchStrategy": "MultiRecord",
    "Environment": {"A": "a"},
    "TransformInput": {
        # No object has this prefix: a job ends before its model server is started.
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/none"}},
        "ContentType": "text/csv",
        "CompressionType": "None",
        "SplitType": "Line",
    },
    "TransformOutput": {"S3OutputPath": f"s3://{BUCKET}/out", "Accept": "text/csv", "AssembleWith": "Line"},
    "TransformResources": INSTANCE,
    "DataProcessing": {"InputFilter": "$[0]", "OutputFilter": "$[1]", "JoinSource": "Input"},
    "Tags": TAGS,
}
CONTAINER = {
    "ContainerHostname": "first",
    "Image": "image",
    "Mode": "SingleModel",
    "ModelDataSource": {
        "S3DataSource": {
            "S3Uri": f"s3://{BUCKET}/model/",
            "S3DataType": "S3Prefix",
            "CompressionType": "None",
        }
    },
    "Environment": {"A": "a"},
    "MultiModelConfig": {"ModelCacheSetting": "Enabled"},
}
MODEL = {"ExecutionRoleArn": ROLE, "EnableNetworkIsolation": True, "VpcConfig": VPC, "Tags": TAGS}
MANY = {"Image": "image", "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/models/"}
VARIANT = {
    "VariantName": "v",
    "ModelName": "model",
    "InitialInstanceCount": 1,
    "InstanceType": "ml.m5.large",
    "InitialVariantWeight": 1.0,
    "ModelDataDownloadTimeoutInSeconds": 60,
    "ContainerStartupHealthCheckTimeoutInSeconds": 60,
}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 50,
    "DestinationS3Uri": f"s3://{BUCKET}/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
ASYNC = {
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 1},
    "OutputConfig": {
        "S3OutputPath": f"s3://{BUCKET}/out",
        "S3FailurePath": f"s3://{BUCKET}/failures",
        "NotificationConfig": {
            "SuccessTopic": TOPIC,
            "ErrorTopic": TOPIC,
            "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
        },
    },
}
SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 2, "ProvisionedConcurrency": 1}
RECOMMENDATION = {
    "JobType": "Advanced",
    "RoleArn": ROLE,
    "JobDescription": "d",
    "InputConfig": {
        "ModelName": "model",
        "JobDurationInSeconds": 120,
        "TrafficPattern": {
            "TrafficType": "PHASES",
            "Phases": [{"InitialNumberOfUsers": 1, "SpawnRate": 1, "DurationInSeconds": 120}],
        },
        "ResourceLimit": {"MaxNumberOfTests": 1, "MaxParallelOfTests": 1},
        "EndpointConfigurations": [
            {
                "InstanceType": "ml.m5.large",
                "EnvironmentParameterRanges": {
                    "CategoricalParameterRanges": [{"Name": "OMP_NUM_THREADS", "Value": ["1", "2"]}]
                },
            },
        ],
        "ContainerConfig": {
            "PayloadConfig": {
                "SamplePayloadUrl": f"s3://{BUCKET}/samples.tar.gz",
                "SupportedContentTypes": ["text/csv"],
            },
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    },
    "StoppingConditions": {
        "MaxInvocations": 10,
        "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 10}],
        "FlatInvocations": "Stop",
    },
    "Tags": TAGS,
}
STAIRS = {"DurationInSeconds": 60, "NumberOfSteps": 2, "UsersPerStep": 1}
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "training": ("CreateTrainingJob", "TrainingJobName", TRAINING),
    "training on instances of one type": (
        "CreateTrainingJob",
        "TrainingJobName",
        {
            **{name: TRAINING[name] for name in ("AlgorithmSpecification", "RoleArn", "OutputDataConfig")},
            "ResourceConfig": {**INSTANCE, "VolumeSizeInGB": 1},
        },
    ),
    "processing": ("CreateProcessingJob", "ProcessingJobName", PROCESSING),
    "transform": ("CreateTransformJob", "TransformJobName", TRANSFORM),
    "model": ("CreateModel", "ModelName", {**MODEL, "PrimaryContainer": CONTAINER}),
    "pipeline": (
        "CreateModel",
        "ModelName",
        {
            **MODEL,
            "Containers": [CONTAINER, {**CONTAINER, "ContainerHostname": "second"}],
            "InferenceExecutionConfig": {"Mode": "Direct"},
        },
    ),
    "many models": ("CreateModel", "ModelName", {**MODEL, "PrimaryContainer": MANY}),
    "variants": (
        "CreateEndpointConfig",
        "EndpointConfigName",
        {
            "ProductionVariants": [VARIANT],
            "ShadowProductionVariants": [{**VARIANT, "VariantName": "s"}],
            "DataCaptureConfig": CAPTURE,
            "Tags": TAGS,
        },
    ),
    "asynchronous": (
        "CreateEndpointConfig",
        "EndpointConfigName",
        {"ProductionVariants": [VARIANT], "AsyncInferenceConfig": ASYNC},
    ),
    "serverless": (
        "CreateEndpointConfig",
        "EndpointConfigName",
        {"ProductionVariants": [{"VariantName": "v", "ModelName": "model", "ServerlessConfig": SERVERLESS}]},
    ),
    "recommendations": ("CreateInferenceRecommendationsJob", "JobName", RECOMMENDATION),
    "recommendations by stairs": (
        "CreateInferenceRecommendationsJob",
        "JobName",
        {
            **RECOMMENDATION,
            "InputConfig": {
                **RECOMMENDATION["InputConfig"],  # type: ignore[dict-item]
                "TrafficPattern": {"TrafficType": "STAIRS", "Stairs": STAIRS},
            },
        },
    ),
}


class Kept:
    """Keeps recommendation jobs, and starts none: their load tests take minutes."""

    def __init__(self) -> None:
        self.jobs: list[Resource] = []

    def submit(self, job: Resource) -> None:
        """Keep a job."""
        self.jobs.append(job)


def smaller(value: Any) -> Iterator[Any]:
    """Yield a value without each of its parts, and with each of its structures and lists empty."""
    if not isinstance(value, dict | list):
        return
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    for place in places:
        without = copy.copy(value)
        del without[place]
        yield without
        for part in smaller(value[place]):
            changed = copy.copy(value)
            changed[place] = part
            yield changed


def answer(platform: Platform, operation: str, request: dict[str, Any]) -> dict[str, Any] | ServiceError:
    """Return what the API answers."""
    route = Route("sagemaker", operation, "json")
    http = HttpRequest("POST", "/", "", {"X-Amz-Target": f"SageMaker.{operation}"})
    try:
        parsed = read_request(route, http, {}, json.dumps(request).encode())
        return call(platform, route, registry.find("sagemaker", operation), parsed)
    except ServiceError as error:
        return error


@pytest.mark.parametrize("case", REQUESTS)
def test_a_member_is_left_out(jobs: JobPlatform, case: str) -> None:
    """Whichever it is, the request is refused with an error of the client's, or done."""
    operation, name, whole = REQUESTS[case]
    platform = replace(jobs.platform, recommender=Kept())
    jobs.put("in/a.csv", "1")
    answer(platform, "CreateModel", {"ModelName": "model", "PrimaryContainer": {"Image": "image"}})
    assert not isinstance(found := answer(platform, operation, {name: "whole", **whole}), ServiceError), found
    done = ["whole"]
    for number, request in enumerate(smaller(whole)):
        found = answer(platform, operation, {name: f"a-{number}", **request})
        if isinstance(found, ServiceError):
            assert found.status < 500, (found, request)
        else:
            done.append(f"a-{number}")
    if operation.endswith("RecommendationsJob"):
        return
    assert jobs.jobs.join(120)
    for one in done:
        found = answer(platform, operation.replace("Create", "Describe"), {name: one})
        assert not isinstance(found, ServiceError)
        assert "InternalServerError" not in found.get("FailureReason", ""), found
