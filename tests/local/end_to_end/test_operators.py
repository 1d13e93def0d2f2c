"""ACK's sagemaker-controller and KFP's components drive `mlberth up`: their requests, in their order.

A controller reads its object first, creates what is not there, reads it until it is at its end, and takes
any field that comes back otherwise for a change that somebody has made.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from tests.local.end_to_end.daemon import Daemon
from tests.support import wait_until

OBJECTS = Path(__file__).parent / "operators/objects.yaml"
SPLIT = "open('/opt/ml/processing/output_train/part.csv', 'w').write('1')"


class Kind(NamedTuple):
    """What the controller knows of a kind of object."""

    name: str
    """The parameter with its name."""
    missing: str
    """How the message begins of the ValidationException by which it knows that nothing is there."""
    status: str = ""
    """The member of the answer with the status; "" if there is none."""
    ends: tuple[str, ...] = ()


# Source: generator.yaml and pkg/resource/*/sdk.go of the controller.
_ENDS = ("Completed", "Failed", "Stopped")
KINDS = {
    "TrainingJob": Kind("TrainingJobName", "Requested resource not found", "TrainingJobStatus", _ENDS),
    "ProcessingJob": Kind("ProcessingJobName", "Could not find requested job", "ProcessingJobStatus", _ENDS),
    "TransformJob": Kind(
        "TransformJobName", "Could not find requested job with name", "TransformJobStatus", _ENDS
    ),
    "Model": Kind("ModelName", "Could not find model"),
    "EndpointConfig": Kind("EndpointConfigName", "Could not find endpoint configuration"),
    "Endpoint": Kind("EndpointName", "Could not find endpoint", "EndpointStatus", ("InService", "Failed")),
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file."""
    pytest.importorskip("xgboost")
    daemon = Daemon(tmp_path_factory.mktemp("operators"))
    assert daemon.up().returncode == 0
    yield daemon
    for one in _CLIENTS.values():
        one.close()
    _CLIENTS.clear()
    daemon.run("down")


_CLIENTS: dict[str, Any] = {}


def client(daemon: Daemon, service: str) -> Any:
    """Return a client, as the controller's value `aws.endpoint_url` makes one."""
    url = f"http://127.0.0.1:{daemon.port}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    if service not in _CLIENTS:
        _CLIENTS[service] = boto3.client(service, endpoint_url=url, region_name="us-west-2", **keys)
    return _CLIENTS[service]


def to_request(value: Any, shape: Any) -> Any:
    """Return an object's spec as a request: `roleARN` is RoleArn, `s3URI` is S3Uri, `type_` is Type."""
    if shape.type_name == "structure":
        names = {name.lower(): name for name in shape.members}
        found = {names[key.lower().rstrip("_")]: item for key, item in value.items()}
        return {name: to_request(item, shape.members[name]) for name, item in found.items()}
    if shape.type_name == "list":
        return [to_request(item, shape.member) for item in value]
    return value


def changed(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Return the fields of a spec that an answer has otherwise: the controller would update them."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for name in wanted for line in changed(wanted[name], found.get(name), f"{path}.{name}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return [line for number, (one, other) in pairs for line in changed(one, other, f"{path}[{number}]")]
    return [] if wanted == found else [f"{path}: {wanted!r} is {found!r}"]


def call(sagemaker: Any, verb: str, kind: str, **members: Any) -> Any:
    """Call an operation by its name in the service."""
    operation = sagemaker.meta.service_model.operation_model(f"{verb.capitalize()}{kind}")
    (method,) = [name for name, its in sagemaker.meta.method_to_api_mapping.items() if its == operation.name]
    return getattr(sagemaker, method)(**members)


def reconcile(sagemaker: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Bring an object about as the controller does; returns the last answer."""
    kind = KINDS[document["kind"]]
    shape = sagemaker.meta.service_model.operation_model(f"Create{document['kind']}").input_shape
    request = to_request(document["spec"], shape)
    own = {kind.name: request[kind.name]}
    with pytest.raises(ClientError) as caught:
        call(sagemaker, "describe", document["kind"], **own)
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith(kind.missing)
    call(sagemaker, "create", document["kind"], **request)

    def read() -> dict[str, Any]:
        return dict(call(sagemaker, "describe", document["kind"], **own))

    if kind.status:
        wait_until(lambda: read()[kind.status] in kind.ends, timeout=90)
    found = read()
    assert changed(request, found) == []
    return found


def rows(count: int, seed: int) -> bytes:
    """Return rows in libsvm's format, whose label is the place of the greatest of three numbers."""
    chance = random.Random(seed)
    lines = []
    for _ in range(count):
        numbers = [round(chance.random(), 3) for _ in range(3)]
        label = numbers.index(max(numbers))
        lines.append(" ".join([str(label), *(f"{place}:{value}" for place, value in enumerate(numbers))]))
    return "\n".join(lines).encode() + b"\n"


def test_objects_of_ack(daemon: Daemon) -> None:
    """Each kind in the order of its needs: jobs end well, the endpoint answers, and deletes succeed."""
    s3, sagemaker = client(daemon, "s3"), client(daemon, "sagemaker")
    s3.create_bucket(Bucket="operators", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for channel, count in (("train", 200), ("validation", 20)):
        key = f"xgboost/{channel}/rows.libsvm"
        s3.put_object(Bucket="operators", Key=key, Body=rows(count, count))
    s3.put_object(Bucket="operators", Key="code/split.py", Body=SPLIT.encode())
    documents = list(yaml.safe_load_all(OBJECTS.read_text()))
    answers = {document["kind"]: reconcile(sagemaker, document) for document in documents}
    assert answers["TrainingJob"]["TrainingJobStatus"] == "Completed", answers["TrainingJob"]
    assert answers["ProcessingJob"]["ProcessingJobStatus"] == "Completed", answers["ProcessingJob"]
    assert answers["TransformJob"]["TransformJobStatus"] == "Completed", answers["TransformJob"]
    keys = {entry["Key"] for entry in s3.list_objects_v2(Bucket="operators")["Contents"]}
    assert {"processed/part.csv", "transformed/rows.libsvm.out"} <= keys
    answer = client(daemon, "sagemaker-runtime").invoke_endpoint(
        EndpointName="ack-endpoint", ContentType="text/libsvm", Body=b"0:0.1 1:0.9 2:0.2\n"
    )
    assert json.loads(answer["Body"].read()) == [1.0]
    for kind in ("Endpoint", "EndpointConfig", "Model"):
        call(sagemaker, "delete", kind, **{KINDS[kind].name: answers[kind][KINDS[kind].name]})
    for kind in ("TrainingJob", "ProcessingJob", "TransformJob"):
        # A deleted object stops its job only while that is in progress.
        with pytest.raises(ClientError, match="is in status Completed"):
            call(sagemaker, "stop", kind, **{KINDS[kind].name: answers[kind][KINDS[kind].name]})


def test_training_component_of_kfp(daemon: Daemon) -> None:
    """Its request has every member, also empty ones; then it reads status, log, model and image."""
    s3, sagemaker, logs = (client(daemon, service) for service in ("s3", "sagemaker", "logs"))
    s3.create_bucket(Bucket="kfp", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="kfp", Key="train/rows.libsvm", Body=rows(50, 1))
    image = "mlberth-train:xgboost"
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": "s3://kfp/train",
        "S3DataDistributionType": "FullyReplicated",
    }
    # Source: common/templates/train.template.yaml of kubeflow/pipelines, components/aws/sagemaker.
    sagemaker.create_training_job(
        TrainingJobName="TrainingJob-20261128",
        HyperParameters={"num_round": "2", "objective": "multi:softmax", "num_class": "3"},
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn="arn:aws:iam::000000000000:role/mlberth",
        InputDataConfig=[
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": source},
                "ContentType": "text/libsvm",
                "CompressionType": "None",
                "RecordWrapperType": "None",
                "InputMode": "File",
            }
        ],
        OutputDataConfig={"KmsKeyId": "", "S3OutputPath": "s3://kfp/models"},
        ResourceConfig={
            "InstanceType": "ml.m4.xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 30,
            "VolumeKmsKeyId": "",
        },
        StoppingCondition={"MaxRuntimeInSeconds": 86400},
        DebugHookConfig={"S3OutputPath": "s3://kfp/debug"},
        DebugRuleConfigurations=[],
        Tags=[],
        EnableNetworkIsolation=True,
        EnableInterContainerTrafficEncryption=False,
        EnableManagedSpotTraining=False,
    )

    def read() -> dict[str, Any]:
        return dict(sagemaker.describe_training_job(TrainingJobName="TrainingJob-20261128"))

    wait_until(lambda: read()["TrainingJobStatus"] in _ENDS, timeout=60)
    found = read()
    assert found["TrainingJobStatus"] == "Completed", found
    assert found["AlgorithmSpecification"]["TrainingImage"] == image
    assert (
        found["ModelArtifacts"]["S3ModelArtifacts"]
        == "s3://kfp/models/TrainingJob-20261128/output/model.tar.gz"
    )
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="TrainingJob-20261128/")
    (stream,) = [one["logStreamName"] for one in streams["logStreams"]]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
    assert any("train-mlogloss" in event["message"] for event in events), events
