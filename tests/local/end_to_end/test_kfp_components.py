"""KFP's SageMaker components drive `mlberth up`: their requests, in the order of a pipeline.

A request has every member of its template, also those that nobody has set. Source: common/templates and
`*_component.py` in components/aws/sagemaker of kubeflow/pipelines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.end_to_end.operator_clients import Client, operated, rows
from tests.support import wait_until

IMAGE = "mlberth-train:xgboost"
ROLE = "arn:aws:iam::000000000000:role/mlberth"
# Writes both channels of the training job.
SPLIT = """
import pathlib
rows = pathlib.Path("/opt/ml/processing/input/rows.libsvm").read_text().splitlines(keepends=True)
for name, part in (("train", rows[:-10]), ("test", [row.partition(" ")[2] for row in rows[-10:]])):
    pathlib.Path(f"/opt/ml/processing/{name}/{name}.libsvm").write_text("".join(part))
"""
CLUSTER = {"InstanceType": "ml.m4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a function that makes clients, as the components' input `endpoint_url` does."""
    with operated(tmp_path_factory.mktemp("kfp")) as client:
        yield client


def finished(client: Client, kind: str, name: str) -> dict[str, Any]:
    """Wait for the good end of a job, read its log as the component does, and return its description."""
    describe = getattr(client("sagemaker"), f"describe_{kind.lower()}_job")

    def read() -> dict[str, Any]:
        return dict(describe(**{f"{kind}JobName": name}))

    wait_until(lambda: read()[f"{kind}JobStatus"] in ("Completed", "Failed", "Stopped"), timeout=90)
    found = read()
    assert found[f"{kind}JobStatus"] == "Completed", found
    return found


def log_of(client: Client, kind: str, name: str) -> list[str]:
    """Return the lines of a job's streams."""
    logs, group = client("logs"), f"/aws/sagemaker/{kind}Jobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")["logStreams"]
    return [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )["events"]
    ]


def process(client: Client) -> dict[str, str]:
    """Run the component "Processing Job"; returns its outputs by name."""
    s3 = {"S3DataType": "S3Prefix", "S3InputMode": "File", "S3DataDistributionType": "FullyReplicated"}
    inputs = [
        {
            "InputName": name,
            "S3Input": {**s3, "S3Uri": f"s3://kfp/{name}/", "LocalPath": f"/opt/ml/processing/{name}"},
        }
        for name in ("input", "code")
    ]
    outputs = [
        {
            "OutputName": name,
            "S3Output": {
                "S3Uri": f"s3://kfp/{name}",
                "LocalPath": f"/opt/ml/processing/{name}",
                "S3UploadMode": "EndOfJob",
            },
        }
        for name in ("train", "test")
    ]
    client("sagemaker").create_processing_job(
        ProcessingJobName="ProcessingJob-20261128-AB12",
        ProcessingInputs=inputs,
        ProcessingOutputConfig={"Outputs": outputs},
        RoleArn=ROLE,
        ProcessingResources={"ClusterConfig": CLUSTER},
        NetworkConfig={"EnableInterContainerTrafficEncryption": False, "EnableNetworkIsolation": True},
        StoppingCondition={"MaxRuntimeInSeconds": 86400},
        AppSpecification={
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/split.py"],
        },
        Environment={},
        Tags=[],
    )
    found = finished(client, "Processing", "ProcessingJob-20261128-AB12")
    return {
        output["OutputName"]: output["S3Output"]["S3Uri"]
        for output in found["ProcessingOutputConfig"]["Outputs"]
    }


def train(client: Client, address: str) -> tuple[str, str]:
    """Run the component "Training Job"; returns where its model is, and its image."""
    source = {"S3DataType": "S3Prefix", "S3Uri": address, "S3DataDistributionType": "FullyReplicated"}
    client("sagemaker").create_training_job(
        TrainingJobName="TrainingJob-20261128",
        HyperParameters={"num_round": "2", "objective": "multi:softmax", "num_class": "3"},
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        RoleArn=ROLE,
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
        ResourceConfig={**CLUSTER, "VolumeKmsKeyId": ""},
        StoppingCondition={"MaxRuntimeInSeconds": 86400},
        DebugHookConfig={"S3OutputPath": "s3://kfp/debug"},
        DebugRuleConfigurations=[],
        Tags=[],
        EnableNetworkIsolation=True,
        EnableInterContainerTrafficEncryption=False,
        EnableManagedSpotTraining=False,
    )
    found = finished(client, "Training", "TrainingJob-20261128")
    lines = log_of(client, "Training", "TrainingJob-20261128")
    assert any("train-mlogloss" in line for line in lines), lines
    return found["ModelArtifacts"]["S3ModelArtifacts"], found["AlgorithmSpecification"]["TrainingImage"]


def transform(client: Client, model: str, address: str) -> list[str]:
    """Run the component "Batch Transformation" with what it has by itself; returns the predictions."""
    client("sagemaker").create_transform_job(
        TransformJobName="BatchTransform-20261128-CD34",
        ModelName=model,
        MaxConcurrentTransforms=0,
        MaxPayloadInMB=6,
        Environment={},
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": address}},
            "ContentType": "text/libsvm",
            "CompressionType": "None",
            "SplitType": "None",
        },
        TransformOutput={"S3OutputPath": "s3://kfp/predicted", "Accept": "text/csv", "AssembleWith": "None"},
        TransformResources={"InstanceType": "ml.m4.xlarge", "InstanceCount": 1},
        DataProcessing={"InputFilter": "", "OutputFilter": "", "JoinSource": "None"},
        Tags=[],
    )
    finished(client, "Transform", "BatchTransform-20261128-CD34")
    body = client("s3").get_object(Bucket="kfp", Key="predicted/test.libsvm.out")["Body"].read()
    return str(body.decode()).split()


def deploy(client: Client, model: str, number: int) -> str:
    """Run the component "Deploy Model" with `update_endpoint`; returns what the endpoint answers."""
    sagemaker, config = client("sagemaker"), f"EndpointConfig-{number}"
    try:
        old = sagemaker.describe_endpoint(EndpointName="Endpoint-1")["EndpointConfigName"]
    except ClientError:
        old = None
    variant = {
        "VariantName": "variant-name-1",
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m4.xlarge",
        "InitialVariantWeight": 1.0,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant], Tags=[])
    if old:
        sagemaker.update_endpoint(EndpointName="Endpoint-1", EndpointConfigName=config)
        sagemaker.delete_endpoint_config(EndpointConfigName=old)  # while the endpoint is updated
    else:
        sagemaker.create_endpoint(EndpointName="Endpoint-1", EndpointConfigName=config)

    def read() -> tuple[str, str]:
        found = sagemaker.describe_endpoint(EndpointName="Endpoint-1")
        return found["EndpointStatus"], found["EndpointConfigName"]

    wait_until(lambda: read() == ("InService", config), timeout=90)
    answer = client("sagemaker-runtime").invoke_endpoint(
        EndpointName="Endpoint-1", ContentType="text/libsvm", Body=b"0:0.1 1:0.9 2:0.2\n"
    )
    return str(answer["Body"].read().decode())


def test_components_in_the_order_of_a_pipeline(client: Client) -> None:
    """Each one's outputs are the next one's inputs; an endpoint that is there is updated."""
    s3 = client("s3")
    s3.create_bucket(Bucket="kfp", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="kfp", Key="input/rows.libsvm", Body=rows(110, 1))
    s3.put_object(Bucket="kfp", Key="code/split.py", Body=SPLIT.encode())
    outputs = process(client)
    assert outputs == {"train": "s3://kfp/train", "test": "s3://kfp/test"}
    artifacts, image = train(client, outputs["train"])
    assert (artifacts, image) == ("s3://kfp/models/TrainingJob-20261128/output/model.tar.gz", IMAGE)
    client("sagemaker").create_model(
        ModelName="model",
        PrimaryContainer={"Image": image, "ModelDataUrl": artifacts, "Environment": {}},
        ExecutionRoleArn=ROLE,
        Tags=[],
        EnableNetworkIsolation=True,
    )
    predicted = transform(client, "model", outputs["test"])
    assert len(predicted) == 10, predicted
    assert set(map(float, predicted)) <= {0.0, 1.0, 2.0}
    assert json.loads(deploy(client, "model", 1)) == [1.0]
    assert json.loads(deploy(client, "model", 2)) == [1.0]


def test_tuning_component_is_refused(client: Client) -> None:
    """It ends with the platform's word, and has created nothing."""
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="HPOJob-1",
            HyperParameterTuningJobConfig={
                "Strategy": "Bayesian",
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            },
        )
    error = caught.value.response["Error"]
    assert error["Code"] == "UnknownOperationException"
    assert error["Message"].startswith(
        "The operation CreateHyperParameterTuningJob of sagemaker is not carried out here; those that are: "
    )
