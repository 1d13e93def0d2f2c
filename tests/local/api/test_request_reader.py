# ruff: noqa: E501 - a row of the table is a line
"""Faulty requests, and the code and the words that each gets: the service's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlberth_local.api.request_reader import read_request
from mlberth_local.api.routing import Route
from mlberth_local.errors import ServiceError
from mlberth_local.http_request import HttpRequest

ROLE = "arn:aws:iam::000000000000:role/mlberth"
RESOURCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
TRAINING = {
    "TrainingJobName": "job",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": RESOURCES,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}},
}
PROCESSING = {
    "ProcessingJobName": "job",
    "ProcessingResources": {"ClusterConfig": RESOURCES},
    "AppSpecification": {"ImageUri": "image"},
    "RoleArn": ROLE,
}
TRANSFORM = {
    "TransformJobName": "job",
    "ModelName": "model",
    "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}},
    "TransformOutput": {"S3OutputPath": "s3://b/out"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}
VALID: dict[str, dict[str, Any]] = {
    "CreateTrainingJob": TRAINING,
    "CreateProcessingJob": PROCESSING,
    "CreateTransformJob": TRANSFORM,
    "CreateModel": {"ModelName": "model", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": "image"}},
    "CreateEndpointConfig": {
        "EndpointConfigName": "c",
        "ProductionVariants": [{"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1}],
    },
    "CreateEndpoint": {"EndpointName": "e", "EndpointConfigName": "c"},
    "ListTrainingJobs": {},
    "AddTags": {
        "ResourceArn": "arn:aws:sagemaker:us-east-1:000000000000:model/m",
        "Tags": [{"Key": "k", "Value": "v"}],
    },
    "StopTrainingJob": {"TrainingJobName": "job"},
    "DescribeModel": {"ModelName": "model"},
}
NULL = "Member must not be null"
LONG = "a" * 64
NAME = "^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
PATTERN = "Member must satisfy regular expression pattern: "
MOST, LEAST = (
    "Member must have length less than or equal to ",
    "Member must have length greater than or equal to ",
)
BELOW, ABOVE = (
    "Member must have value less than or equal to ",
    "Member must have value greater than or equal to ",
)

# Operation, path of a member, value (None: left out), the words for it.
FAULTS: list[tuple[str, str, Any, str]] = [
    ("CreateTrainingJob", "TrainingJobName", None, f"Value null at 'trainingJobName' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "RoleArn", None, f"Value null at 'roleArn' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "OutputDataConfig", None, f"Value null at 'outputDataConfig' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "OutputDataConfig.S3OutputPath", None, f"Value null at 'outputDataConfig.s3OutputPath' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "ResourceConfig.VolumeSizeInGB", -1, f"Value '-1' at 'resourceConfig.volumeSizeInGB' failed to satisfy constraint: {ABOVE}0"),
    ("CreateTrainingJob", "TrainingJobName", "a_b", f"Value 'a_b' at 'trainingJobName' failed to satisfy constraint: {PATTERN}"),
    ("CreateTrainingJob", "TrainingJobName", "-a", f"Value '-a' at 'trainingJobName' failed to satisfy constraint: {PATTERN}"),
    ("CreateTrainingJob", "TrainingJobName", "a\n", "at 'trainingJobName' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "TrainingJobName", LONG, f"Value '{LONG}' at 'trainingJobName' failed to satisfy constraint: {MOST}63"),
    ("CreateTrainingJob", "TrainingJobName", "", f"Value '' at 'trainingJobName' failed to satisfy constraint: {LEAST}1"),
    ("CreateTrainingJob", "RoleArn", "mlberth", f"Value 'mlberth' at 'roleArn' failed to satisfy constraint: {LEAST}20"),
    ("CreateTrainingJob", "RoleArn", "arn:aws:iam::1:user/somebody", "at 'roleArn' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "ResourceConfig.InstanceType", "ml.none", "Value 'ml.none' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ("CreateTrainingJob", "ResourceConfig.InstanceCount", -1, f"Value '-1' at 'resourceConfig.instanceCount' failed to satisfy constraint: {ABOVE}0"),
    ("CreateTrainingJob", "AlgorithmSpecification.TrainingInputMode", "Files", "Value 'Files' at 'algorithmSpecification.trainingInputMode' failed to satisfy constraint: Member must satisfy enum value set: [Pipe, File, FastFile]"),
    ("CreateTrainingJob", "AlgorithmSpecification.TrainingInputMode", "file", "Value 'file' at"),
    ("CreateTrainingJob", "AlgorithmSpecification.TrainingImage", "i" * 256, f"failed to satisfy constraint: {MOST}255"),
    ("CreateTrainingJob", "AlgorithmSpecification.MetricDefinitions", [{"Name": "m"}], f"Value null at 'algorithmSpecification.metricDefinitions.1.member.regex' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "AlgorithmSpecification.MetricDefinitions", [{"Name": "m", "Regex": "r"}] * 41, f"'algorithmSpecification.metricDefinitions' failed to satisfy constraint: {MOST}40"),
    ("CreateTrainingJob", "StoppingCondition.MaxRuntimeInSeconds", 0, f"Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: {ABOVE}1"),
    ("CreateTrainingJob", "InputDataConfig", [], f"Value '[]' at 'inputDataConfig' failed to satisfy constraint: {LEAST}1"),
    ("CreateTrainingJob", "InputDataConfig", [CHANNEL] * 21, f"at 'inputDataConfig' failed to satisfy constraint: {MOST}20"),
    ("CreateTrainingJob", "InputDataConfig", [{"ChannelName": "train"}], f"Value null at 'inputDataConfig.1.member.dataSource' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "InputDataConfig", [CHANNEL, {**CHANNEL, "ChannelName": "a b"}], "Value 'a b' at 'inputDataConfig.2.member.channelName' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "InputDataConfig", [{**CHANNEL, "CompressionType": "Zip"}], "Value 'Zip' at 'inputDataConfig.1.member.compressionType' failed to satisfy constraint: Member must satisfy enum value set: [None, Gzip]"),
    ("CreateTrainingJob", "InputDataConfig", [{**CHANNEL, "RecordWrapperType": "X"}], "at 'inputDataConfig.1.member.recordWrapperType' failed"),
    ("CreateTrainingJob", "InputDataConfig", [{**CHANNEL, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "/local"}}}], "Value '/local' at 'inputDataConfig.1.member.dataSource.s3DataSource.s3Uri' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "InputDataConfig", [{**CHANNEL, "DataSource": {"S3DataSource": {"S3DataType": "Prefix", "S3Uri": "s3://b"}}}], "at 'inputDataConfig.1.member.dataSource.s3DataSource.s3DataType' failed to satisfy constraint: Member must satisfy enum value set: ["),
    ("CreateTrainingJob", "OutputDataConfig.S3OutputPath", "bucket", "Value 'bucket' at 'outputDataConfig.s3OutputPath' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "HyperParameters", {"k" * 257: "v"}, f"Map keys must satisfy constraint: [{MOST}256]"),
    ("CreateTrainingJob", "HyperParameters", {"k": "v" * 2501}, f"Map value must satisfy constraint: [{MOST}2500]"),
    ("CreateTrainingJob", "HyperParameters", {f"k{n}": "" for n in range(101)}, f"at 'hyperParameters' failed to satisfy constraint: {MOST}100"),
    ("CreateTrainingJob", "Environment", {"1A": "v"}, "at 'environment' failed to satisfy constraint: Map keys must satisfy constraint: [" + PATTERN),
    ("CreateTrainingJob", "Environment", {"A": "v" * 3000}, "Map value must satisfy constraint: ["),
    ("CreateTrainingJob", "Tags", [{"Key": "", "Value": ""}], f"Value '' at 'tags.1.member.key' failed to satisfy constraint: {LEAST}1"),
    ("CreateTrainingJob", "Tags", [{"Key": "k" * 129, "Value": ""}], f"at 'tags.1.member.key' failed to satisfy constraint: {MOST}128"),
    ("CreateTrainingJob", "Tags", [{"Key": "a!b", "Value": ""}], "Value 'a!b' at 'tags.1.member.key' failed to satisfy constraint: " + PATTERN),
    ("CreateTrainingJob", "Tags", [{"Key": "k", "Value": "v"}] * 51, f"at 'tags' failed to satisfy constraint: {MOST}50"),
    ("CreateTrainingJob", "RetryStrategy", {"MaximumRetryAttempts": 31}, f"Value '31' at 'retryStrategy.maximumRetryAttempts' failed to satisfy constraint: {BELOW}30"),
    ("CreateTrainingJob", "VpcConfig", {"Subnets": ["s"]}, f"Value null at 'vpcConfig.securityGroupIds' failed to satisfy constraint: {NULL}"),
    ("CreateTrainingJob", "CheckpointConfig", {"S3Uri": "x"}, "Value 'x' at 'checkpointConfig.s3Uri' failed to satisfy constraint: " + PATTERN),
    ("CreateProcessingJob", "ProcessingJobName", None, f"Value null at 'processingJobName' failed to satisfy constraint: {NULL}"),
    ("CreateProcessingJob", "AppSpecification.ImageUri", None, f"Value null at 'appSpecification.imageUri' failed to satisfy constraint: {NULL}"),
    ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceCount", 0, f"Value '0' at 'processingResources.clusterConfig.instanceCount' failed to satisfy constraint: {ABOVE}1"),
    ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceCount", 101, f"failed to satisfy constraint: {BELOW}100"),
    ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceType", "t3", "Value 't3' at 'processingResources.clusterConfig.instanceType' failed"),
    ("CreateProcessingJob", "AppSpecification.ContainerEntrypoint", [], f"Value '[]' at 'appSpecification.containerEntrypoint' failed to satisfy constraint: {LEAST}1"),
    ("CreateProcessingJob", "ProcessingInputs", [{"S3Input": {"S3DataType": "S3Prefix", "S3Uri": "s3://b"}}], f"Value null at 'processingInputs.1.member.inputName' failed to satisfy constraint: {NULL}"),
    ("CreateProcessingJob", "ProcessingOutputConfig", {"Outputs": [{"OutputName": "o", "S3Output": {"S3Uri": "s3://b", "S3UploadMode": "Never"}}]}, "Value 'Never' at 'processingOutputConfig.outputs.1.member.s3Output.s3UploadMode' failed to satisfy constraint: Member must satisfy enum value set: [Continuous, EndOfJob]"),
    ("CreateProcessingJob", "StoppingCondition", {"MaxRuntimeInSeconds": 777601}, f"Value '777601' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: {BELOW}777600"),
    ("CreateTransformJob", "ModelName", None, f"Value null at 'modelName' failed to satisfy constraint: {NULL}"),
    ("CreateTransformJob", "MaxPayloadInMB", -1, f"Value '-1' at 'maxPayloadInMB' failed to satisfy constraint: {ABOVE}0"),
    ("CreateTransformJob", "BatchStrategy", "Multi", "Value 'Multi' at 'batchStrategy' failed to satisfy constraint: Member must satisfy enum value set: [MultiRecord, SingleRecord]"),
    ("CreateTransformJob", "TransformInput.SplitType", "Lines", "Value 'Lines' at 'transformInput.splitType' failed to satisfy constraint: Member must satisfy enum value set: [None, Line, RecordIO, TFRecord]"),
    ("CreateTransformJob", "TransformOutput.AssembleWith", "Comma", "Value 'Comma' at 'transformOutput.assembleWith' failed to satisfy constraint: Member must satisfy enum value set: [None, Line]"),
    ("CreateTransformJob", "TransformResources.InstanceCount", 0, f"Value '0' at 'transformResources.instanceCount' failed to satisfy constraint: {ABOVE}1"),
    ("CreateTransformJob", "DataProcessing", {"JoinSource": "Output"}, "Value 'Output' at 'dataProcessing.joinSource' failed to satisfy constraint: Member must satisfy enum value set: [Input, None]"),
    ("CreateTransformJob", "ModelClientConfig", {"InvocationsMaxRetries": 4}, f"Value '4' at 'modelClientConfig.invocationsMaxRetries' failed to satisfy constraint: {BELOW}3"),
    ("CreateModel", "ModelName", "a.b", "Value 'a.b' at 'modelName' failed to satisfy constraint: " + PATTERN),
    ("CreateModel", "Containers", [{"Image": "i"}] * 16, f"at 'containers' failed to satisfy constraint: {MOST}15"),
    ("CreateModel", "PrimaryContainer.Mode", "Multi", "Value 'Multi' at 'primaryContainer.mode' failed to satisfy constraint: Member must satisfy enum value set: [SingleModel, MultiModel]"),
    ("CreateEndpointConfig", "ProductionVariants", [], f"Value '[]' at 'productionVariants' failed to satisfy constraint: {LEAST}1"),
    ("CreateEndpointConfig", "ProductionVariants", [{"VariantName": "v"}] * 11, f"at 'productionVariants' failed to satisfy constraint: {MOST}10"),
    ("CreateEndpointConfig", "ProductionVariants", [{"VariantName": "v", "InitialVariantWeight": -0.5}], f"Value '-0.5' at 'productionVariants.1.member.initialVariantWeight' failed to satisfy constraint: {ABOVE}0"),
    ("CreateEndpoint", "EndpointConfigName", None, f"Value null at 'endpointConfigName' failed to satisfy constraint: {NULL}"),
    ("ListTrainingJobs", "MaxResults", 101, f"Value '101' at 'maxResults' failed to satisfy constraint: {BELOW}100"),
    ("ListTrainingJobs", "MaxResults", 0, f"Value '0' at 'maxResults' failed to satisfy constraint: {ABOVE}1"),
    ("ListTrainingJobs", "SortBy", "Age", "Value 'Age' at 'sortBy' failed to satisfy constraint: Member must satisfy enum value set: [Name, CreationTime, Status]"),
    ("ListTrainingJobs", "StatusEquals", "Done", "Value 'Done' at 'statusEquals' failed to satisfy constraint: Member must satisfy enum value set: [InProgress, Completed, Failed, Stopping, Stopped"),
    ("AddTags", "ResourceArn", "model/m", "Value 'model/m' at 'resourceArn' failed to satisfy constraint: " + PATTERN),
    ("StopTrainingJob", "TrainingJobName", None, f"Value null at 'trainingJobName' failed to satisfy constraint: {NULL}"),
    ("DescribeModel", "ModelName", LONG, f"at 'modelName' failed to satisfy constraint: {MOST}63"),
]  # fmt: skip

# Operation, body, code, words.
MALFORMED: list[tuple[str, bytes, str]] = [
    ("CreateTrainingJob", b"{", "not valid JSON"),
    ("CreateTrainingJob", b"[]", "Start of structure or map found where not expected."),
    ("CreateTrainingJob", b'{"TrainingJobName": 1}', "NUMBER_VALUE can not be converted to a String"),
    ("CreateTrainingJob", b'{"TrainingJobName": true}', "TRUE_VALUE can not be converted to a String"),
    ("CreateTrainingJob", b'{"HyperParameters": {"epochs": 10}}', "NUMBER_VALUE can not be converted to a String"),
    ("CreateTrainingJob", b'{"HyperParameters": []}', "Start of list found where not expected."),
    ("CreateTrainingJob", b'{"ResourceConfig": "x"}', "STRING_VALUE can not be converted to a Structure"),
    ("CreateTrainingJob", b'{"ResourceConfig": {"InstanceCount": "1"}}', "STRING_VALUE can not be converted to an Integer"),
    ("CreateTrainingJob", b'{"ResourceConfig": {"InstanceCount": 1.5}}', "DECIMAL_VALUE can not be converted to an Integer"),
    ("CreateTrainingJob", b'{"EnableNetworkIsolation": "yes"}', "STRING_VALUE can not be converted to a Boolean"),
    ("ListTrainingJobs", b'{"CreationTimeAfter": "soon"}', "STRING_VALUE can not be converted to a Date"),
    ("ListTrainingJobs", b'{"CreationTimeAfter": NaN}', "can not be converted to a Date"),
    ("CreateTrainingJob", b'{"TrainingJobName": "\\ud800"}', "a lone surrogate"),
    ("CreateTrainingJob", b'{"HyperParameters": {"\\udfff": "x"}}', "a lone surrogate"),
    ("CreateTrainingJob", b'{"Tags": ' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
]  # fmt: skip


def read(operation: str, body: bytes) -> dict[str, Any]:
    """Read a request of SageMaker."""
    http = HttpRequest("POST", "/", "", {"X-Amz-Target": f"SageMaker.{operation}"})
    return read_request(Route("sagemaker", operation, "json"), http, {}, body)


def changed(operation: str, path: str, value: Any) -> dict[str, Any]:
    """Return the valid request with another value at a path."""
    request: dict[str, Any] = json.loads(json.dumps(VALID[operation]))
    *above, last = path.split(".")
    place = request
    for name in above:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return request


@pytest.mark.parametrize("operation", VALID)
def test_requests_that_are_as_they_should_be(operation: str) -> None:
    assert read(operation, json.dumps(VALID[operation]).encode()) == VALID[operation]


@pytest.mark.parametrize(
    ("operation", "path", "value", "words"),
    FAULTS,
    ids=[f"{row[0]}-{row[1]}-{n}" for n, row in enumerate(FAULTS)],
)
def test_faulty_requests(operation: str, path: str, value: Any, words: str) -> None:
    body = json.dumps(changed(operation, path, value)).encode()
    with pytest.raises(ServiceError) as caught:
        read(operation, body)
    assert (caught.value.code, caught.value.status) == ("ValidationException", 400)
    assert caught.value.message.startswith("1 validation error detected: Value ")
    assert words in caught.value.message


@pytest.mark.parametrize(("operation", "body", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_requests(operation: str, body: bytes, words: str) -> None:
    with pytest.raises(ServiceError) as caught:
        read(operation, body)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)
    assert words in caught.value.message


def test_all_faults_at_once() -> None:
    request = changed("CreateTrainingJob", "TrainingJobName", "a_b")
    request["ResourceConfig"]["InstanceType"] = "huge"
    del request["RoleArn"]
    with pytest.raises(ServiceError) as caught:
        read("CreateTrainingJob", json.dumps(request).encode())
    assert caught.value.message.startswith("3 validation errors detected: ")
    for path in ("trainingJobName", "resourceConfig.instanceType", "roleArn"):
        assert f"'{path}'" in caught.value.message


@pytest.mark.parametrize("instance", ["local", "local_gpu"])
def test_the_local_instance_types_of_the_sdk_are_taken(instance: str) -> None:
    request = changed("CreateTrainingJob", "ResourceConfig.InstanceType", instance)
    assert read("CreateTrainingJob", json.dumps(request).encode()) == request


def test_a_member_that_the_model_has_not_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    request = {**VALID["CreateEndpoint"], "Newer": 1}
    assert read("CreateEndpoint", json.dumps(request).encode()) == VALID["CreateEndpoint"]
    assert "Newer" in caplog.text


def test_null_is_as_if_it_were_left_out() -> None:
    assert read("ListTrainingJobs", b'{"MaxResults": null}') == {}
    assert read("ListTrainingJobs", b"") == {}
