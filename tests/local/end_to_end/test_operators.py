"""ACK's sagemaker-controller drives `mlberth up`: its requests, in its order.

A controller reads its object first, creates what is not there, reads it until it is at its end, and takes
any field that comes back otherwise for a change that somebody has made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from botocore.exceptions import ClientError
from tests.local.end_to_end.operator_clients import Client, operated, rows
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
    defaults: tuple[str, ...] = ()
    """What an answer must have even if the object does not say it: the controller asks again until it has."""


# Source: generator.yaml and pkg/resource/*/sdk.go of the controller.
_ENDS = ("Completed", "Failed", "Stopped")
KINDS = {
    "TrainingJob": Kind(
        "TrainingJobName",
        "Requested resource not found",
        "TrainingJobStatus",
        _ENDS,
        (
            "EnableInterContainerTrafficEncryption",
            "EnableManagedSpotTraining",
            "EnableNetworkIsolation",
            "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
            "OutputDataConfig.KmsKeyId",
            "ResourceConfig.InstanceCount",
        ),
    ),
    "ProcessingJob": Kind("ProcessingJobName", "Could not find requested job", "ProcessingJobStatus", _ENDS),
    "TransformJob": Kind(
        "TransformJobName",
        "Could not find requested job with name",
        "TransformJobStatus",
        _ENDS,
        ("TransformInput.SplitType", "TransformInput.CompressionType"),
    ),
    "Model": Kind("ModelName", "Could not find model", defaults=("EnableNetworkIsolation",)),
    "EndpointConfig": Kind("EndpointConfigName", "Could not find endpoint configuration"),
    "Endpoint": Kind("EndpointName", "Could not find endpoint", "EndpointStatus", ("InService", "Failed")),
}
# Its other kinds, each with what names one.
OTHERS = {
    "App": ("DomainId", "AppType", "AppName"),
    "DataQualityJobDefinition": ("JobDefinitionName",),
    "Domain": ("DomainId",),
    "FeatureGroup": ("FeatureGroupName",),
    "HyperParameterTuningJob": ("HyperParameterTuningJobName",),
    "InferenceComponent": ("InferenceComponentName",),
    "LabelingJob": ("LabelingJobName",),
    "ModelBiasJobDefinition": ("JobDefinitionName",),
    "ModelExplainabilityJobDefinition": ("JobDefinitionName",),
    "ModelPackage": ("ModelPackageName",),
    "ModelPackageGroup": ("ModelPackageGroupName",),
    "ModelQualityJobDefinition": ("JobDefinitionName",),
    "MonitoringSchedule": ("MonitoringScheduleName",),
    "NotebookInstance": ("NotebookInstanceName",),
    "NotebookInstanceLifecycleConfig": ("NotebookInstanceLifecycleConfigName",),
    "Pipeline": ("PipelineName",),
    "PipelineExecution": ("PipelineExecutionArn",),
    "Project": ("ProjectName",),
    "Space": ("DomainId", "SpaceName"),
    "UserProfile": ("DomainId", "UserProfileName"),
}
# Whose names have more than one form.
NAMES = {"PipelineExecution": "arn:aws:sagemaker:us-west-2:000000000000:pipeline/a/execution/a"}
PAGE = Path(__file__).parents[3] / "docs/how-to/kubernetes.md"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a function that makes clients, as the controller's value `aws.endpoint_url` does."""
    with operated(tmp_path_factory.mktemp("operators")) as client:
        yield client


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
    assert [path for path in kind.defaults if not has(found, path)] == []
    return found


def has(answer: Any, path: str) -> bool:
    """Return whether an answer has a member, by its path."""
    for name in path.split("."):
        if name not in answer:
            return False
        answer = answer[name]
    return True


def test_objects_of_ack(client: Client) -> None:
    """Each kind in the order of its needs: jobs end well, the endpoint answers, and deletes succeed."""
    s3, sagemaker = client("s3"), client("sagemaker")
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
    answer = client("sagemaker-runtime").invoke_endpoint(
        EndpointName="ack-endpoint", ContentType="text/libsvm", Body=b"0:0.1 1:0.9 2:0.2\n"
    )
    assert json.loads(answer["Body"].read()) == [1.0]
    config = {**documents[-2]["spec"], "endpointConfigName": "ack-config-2"}
    reconcile(sagemaker, {**documents[-2], "spec": config})
    update(sagemaker, "ack-endpoint", "ack-config-2")
    for kind in ("Endpoint", "EndpointConfig", "Model"):
        call(sagemaker, "delete", kind, **{KINDS[kind].name: answers[kind][KINDS[kind].name]})
    for kind in ("TrainingJob", "ProcessingJob", "TransformJob"):
        # A deleted object stops its job only while that is in progress.
        with pytest.raises(ClientError, match="is in status Completed"):
            call(sagemaker, "stop", kind, **{KINDS[kind].name: answers[kind][KINDS[kind].name]})


def update(sagemaker: Any, endpoint: str, config: str) -> None:
    """Bring about a change of an endpoint's object as the controller does."""
    sagemaker.update_endpoint(
        EndpointName=endpoint, EndpointConfigName=config, RetainAllVariantProperties=True
    )

    def read() -> tuple[str, str]:
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
        return found["EndpointStatus"], found["EndpointConfigName"]

    wait_until(lambda: read() == ("InService", config), timeout=90)


@pytest.mark.parametrize("kind", OTHERS)
def test_kinds_that_are_not_here_are_refused(client: Client, kind: str) -> None:
    """The condition of such an object says which operations there are; the page names the kind."""
    with pytest.raises(ClientError) as caught:
        call(client("sagemaker"), "describe", kind, **dict.fromkeys(OTHERS[kind], NAMES.get(kind, "any")))
    error = caught.value.response["Error"]
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"].startswith(f"The operation Describe{kind} of sagemaker is not carried out here")
    assert f"`{kind}`" in PAGE.read_text()
