"""The last part of the demo: the same program as jobs of SageMaker's API, which `mlberth up` answers here."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
from engines import BIN

BUCKET = "demo"
ROLE = "arn:aws:iam::000000000000:role/mlberth"
INSTANCE = "ml.m5.large"
JOB_SECONDS = 120


@contextmanager
def platform(home: Path, port: int) -> Iterator[Callable[[str], Any]]:
    """Run the platform; yields a function that returns a client of a service."""
    mlberth = [str(BIN / "mlberth")]
    up = [*mlberth, "up", "--home", str(home), "--port", str(port), "--engine", "process", "--detach"]
    subprocess.run(up, check=True, timeout=60)
    try:
        session = botocore.session.get_session()
        yield lambda service: session.create_client(
            service,
            region_name="us-east-1",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )
    finally:
        subprocess.run([*mlberth, "down", "--home", str(home)], check=True, timeout=60)


def pack(program: Path) -> bytes:
    """Return a folder's files as the archive that SDKs upload."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in sorted(program.glob("*.py")):
            archive.add(path, path.name)
    return packed.getvalue()


def wait(describe: Callable[[], dict[str, Any]], status: str) -> dict[str, Any]:
    """Return the description of a job that has ended well."""
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        found = describe()
        if found[status] == "Completed":
            return found
        if found[status] not in {"InProgress", "Stopping"}:
            sys.exit(f"the job ended as {found[status]}: {found.get('FailureReason')}")
        time.sleep(0.1)
    sys.exit(f"the job did not end within {JOB_SECONDS} s")


def show(program: Path, tree: Path, port: int) -> None:
    """Train the program of a folder as a training job, and predict by its model as a transform job."""
    with platform(tree.parent / "platform", port) as client:
        s3, sagemaker = client("s3"), client("sagemaker")
        name = f"demo-{time.time_ns()}"
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=f"{name}/sourcedir.tar.gz", Body=pack(program))
        for channel in ("training", "validation"):
            data = (tree / f"input/data/{channel}/data.csv").read_bytes()
            s3.put_object(Bucket=BUCKET, Key=f"{name}/{channel}/data.csv", Body=data)
        rows = b"\n".join(line.partition(b",")[2] for line in data.splitlines())
        s3.put_object(Bucket=BUCKET, Key=f"{name}/rows/rows.csv", Body=rows)
        job = train(sagemaker, name)
        seconds = (job["TrainingEndTime"] - job["CreationTime"]).total_seconds()
        found = ", ".join(f"{one['MetricName']} {one['Value']:.4f}" for one in job["FinalMetricDataList"])
        print(f"  CreateTrainingJob -> {job['TrainingJobStatus']} after {seconds:.1f} s: {found}")
        print(f"  {job['ModelArtifacts']['S3ModelArtifacts']}")
        transform(sagemaker, name, job["ModelArtifacts"]["S3ModelArtifacts"])
        answer = s3.get_object(Bucket=BUCKET, Key=f"{name}/answers/rows.csv.out")["Body"].read()
        lines = answer.decode().splitlines()
        print(f"  CreateTransformJob -> {len(lines)} rows, each with its answer: …{lines[0][-30:]}")


def train(sagemaker: Any, name: str) -> dict[str, Any]:
    """Run the training job; return its description."""
    channels = [
        {
            "ChannelName": channel,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/{channel}/"}
            },
        }
        for channel in ("training", "validation")
    ]
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": "mlberth-train:sklearn",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "accuracy", "Regex": "validation:accuracy=([0-9.]+)"}],
        },
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{BUCKET}/{name}/sourcedir.tar.gz",
            "C": "0.5",
        },
        InputDataConfig=channels,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 1},
        RoleArn=ROLE,
        StoppingCondition={"MaxRuntimeInSeconds": JOB_SECONDS},
    )
    return wait(lambda: sagemaker.describe_training_job(TrainingJobName=name), "TrainingJobStatus")


def transform(sagemaker: Any, name: str, model: str) -> None:
    """Predict for each row of an object, and join each answer to its row."""
    container = {"Image": "mlberth-serve:sklearn", "ModelDataUrl": model}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=name,
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/rows/"}
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{BUCKET}/{name}/answers",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        DataProcessing={"JoinSource": "Input"},
        TransformResources={"InstanceType": INSTANCE, "InstanceCount": 1},
    )
    wait(lambda: sagemaker.describe_transform_job(TransformJobName=name), "TransformJobStatus")
