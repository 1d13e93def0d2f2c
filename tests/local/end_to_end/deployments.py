"""Endpoints of a test's daemon, made by boto3."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from tests.archives import packed
from tests.local.end_to_end.daemon import Daemon
from tests.local.endpoints.endpoint_platform import ENVIRONMENT
from tests.support import wait_until

from mlberth_local.endpoints.record import KIND, READY, Instance, state_of
from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resources

HANDLER = """
import os

def model_fn(model_dir):
    print("loaded", flush=True)

def predict_fn(data, model):
    if data[0][0] < 0:
        raise ValueError("negative")
    return [os.getpid()]
"""


def client(daemon: Daemon, service: str, **config: Any) -> Any:
    """Return a boto3 client of a daemon; `config` are members of botocore's Config."""
    url = f"http://127.0.0.1:{daemon.port}"
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
    chosen = Config(**config)
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", config=chosen, **keys)


def put_archive(daemon: Daemon, key: str, handler: str) -> None:
    """Put an archive with a handler into the bucket of models, which is made if there is none."""
    s3 = client(daemon, "s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key=key, Body=packed("code/inference.py", handler))


def make_model(daemon: Daemon, name: str, handler: str = HANDLER, **environ: str) -> None:
    """Make a model with a handler."""
    put_archive(daemon, f"{name}.tar.gz", handler)
    container = {
        "Image": "mlberth-serve:base",
        "ModelDataUrl": f"s3://models/{name}.tar.gz",
        "Environment": {**ENVIRONMENT, **environ},
    }
    role = "arn:aws:iam::000000000000:role/mlberth"
    client(daemon, "sagemaker").create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role
    )


def deploy(daemon: Daemon, name: str, handler: str = HANDLER, *, count: int = 1, **environ: str) -> None:
    """Make a model, a configuration and an endpoint of one name, and wait for it."""
    make_model(daemon, name, handler, **environ)
    serve_model(daemon, name, count=count)


def serve_model(daemon: Daemon, name: str, *, count: int = 1) -> None:
    """Make a configuration and an endpoint with the name of a model, and wait for it."""
    create(daemon, name, variant(name, InitialInstanceCount=count))


def variant(model: str, name: str = "AllTraffic", **members: Any) -> dict[str, Any]:
    """Return a variant with one instance, unless `members` say otherwise."""
    found = {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large"}
    return {**found, "InitialInstanceCount": 1, **members}


def create(daemon: Daemon, name: str, *variants: dict[str, Any], **members: Any) -> None:
    """Make a configuration and an endpoint of one name, and wait for it."""
    sagemaker = client(daemon, "sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **members)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    wait(daemon, name, "endpoint_in_service")


def put_alarm(daemon: Daemon, name: str) -> None:
    """Make an alarm for deployments, whose state is set by hand: its metric has no values."""
    client(daemon, "cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="Test",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )


def wait(daemon: Daemon, name: str, state: str) -> None:
    """Wait as boto3 does, with shorter pauses."""
    waiter = client(daemon, "sagemaker").get_waiter(state)
    waiter.wait(EndpointName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 600})


def port_of(daemon: Daemon, name: str) -> int:
    """Return the port of an endpoint's one container."""
    [instance] = instances_of(daemon, name)
    return instance.ports[0]


def pids_of(daemon: Daemon, name: str) -> list[int]:
    """Return the process ids of an endpoint's servers."""
    return [pid for one in instances_of(daemon, name) for pid in processes(one.ports[0])[:1]]


def processes(port: int) -> list[int]:
    """Return the processes that were started for a port, the first one first."""
    wanted, found = f"SAGEMAKER_BIND_TO_PORT={port}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in environ:
            found.append(int(folder.name))
    return sorted(found)


def instances_of(daemon: Daemon, name: str) -> list[Instance]:
    """Return an endpoint's instances that are in traffic."""
    database = Database(daemon.home / "mlberth.sqlite")
    try:
        pairs = list(state_of(Resources(database).get(KIND, name)).instances())
    finally:
        database.close()
    return [instance for _, instance in pairs if instance.phase == READY]


def kill(daemon: Daemon) -> None:
    """Kill the daemon's process alone."""
    os.kill(int((daemon.home / "daemon.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: daemon.run("status").returncode == 3)
