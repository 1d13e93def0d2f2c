"""Endpoints of a test's daemon, made by boto3."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import boto3
from tests.local.end_to_end.daemon import Daemon
from tests.local.endpoints.endpoint_platform import ENVIRONMENT

HANDLER = """
import os

def model_fn(model_dir):
    print("loaded", flush=True)

def predict_fn(data, model):
    if data[0][0] < 0:
        raise ValueError("negative")
    return [os.getpid()]
"""


def client(daemon: Daemon, service: str) -> Any:
    """Return a boto3 client of a daemon."""
    url = f"http://127.0.0.1:{daemon.port}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)


def deploy(daemon: Daemon, name: str, *, count: int = 1) -> None:
    """Make a model, a configuration and an endpoint of one name, and wait for it."""
    code = io.BytesIO()
    with tarfile.open(fileobj=code, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(HANDLER)
        archive.addfile(member, io.BytesIO(HANDLER.encode()))
    s3, sagemaker = client(daemon, "s3"), client(daemon, "sagemaker")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=code.getvalue())
    container = {
        "Image": "mlberth-serve:base",
        "ModelDataUrl": "s3://models/model.tar.gz",
        "Environment": ENVIRONMENT,
    }
    role = "arn:aws:iam::000000000000:role/mlberth"
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": count,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait(daemon, name, "endpoint_in_service")


def wait(daemon: Daemon, name: str, state: str) -> None:
    """Wait as boto3 does, with shorter pauses."""
    waiter = client(daemon, "sagemaker").get_waiter(state)
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})
