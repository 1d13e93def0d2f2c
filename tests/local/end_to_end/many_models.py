"""A multi-model endpoint `many` of a test's daemon."""

from __future__ import annotations

from typing import Any

from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, put_archive, serve_model

PREFIX = "many"
HANDLER = """
def model_fn(model_dir):
    return "{name}", b"x" * {size}

def predict_fn(data, model):
    return model[0]

def output_fn(prediction, accept):
    return prediction, "text/plain"
"""


def serve_many(daemon: Daemon, image: str = "mlberth-serve:base") -> None:
    """Make the endpoint, and wait for it."""
    client(daemon, "s3").create_bucket(Bucket="models")
    container = {
        "Image": image,
        "Mode": "MultiModel",
        "ModelDataUrl": f"s3://models/{PREFIX}/",
        "Environment": {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"},
    }
    role = "arn:aws:iam::000000000000:role/mlberth"
    client(daemon, "sagemaker").create_model(
        ModelName="many", PrimaryContainer=container, ExecutionRoleArn=role
    )
    serve_model(daemon, "many")


def upload(daemon: Daemon, *names: str, size: int = 0) -> None:
    """Put archives of models below the prefix, each of which answers with its name, and takes memory."""
    for name in names:
        put_archive(daemon, f"{PREFIX}/{name}.tar.gz", HANDLER.format(name=name, size=size))


def ask(daemon: Daemon, name: str, **request: Any) -> str:
    """Return what a model answers."""
    given = {"EndpointName": "many", "Body": b"1", "ContentType": "text/csv", **request}
    runtime = client(daemon, "sagemaker-runtime")
    found: str = runtime.invoke_endpoint(TargetModel=f"{name}.tar.gz", **given)["Body"].read().decode()
    return found
