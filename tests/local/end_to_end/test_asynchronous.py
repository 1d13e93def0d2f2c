"""Asynchronous endpoints of `mlberth up`, by boto3."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, make_model, wait
from tests.support import is_alive, wait_until

HANDLER = """
import time

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    if text == "bad":
        raise ValueError("no such number")
    if text.startswith("slow"):
        time.sleep(2)
    return text.upper()

def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
PATHS = {"S3OutputPath": "s3://models/answers", "S3FailurePath": "s3://models/failures"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon with the asynchronous endpoint `later` and two topics."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up().returncode == 0
    make_model(daemon, "later", HANDLER)
    topics = [client(daemon, "sns").create_topic(Name=name)["TopicArn"] for name in ("done", "failed")]
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "later",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    notify = {
        "SuccessTopic": topics[0],
        "ErrorTopic": topics[1],
        "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
    }
    sagemaker = client(daemon, "sagemaker")
    sagemaker.create_endpoint_config(
        EndpointConfigName="later",
        ProductionVariants=[variant],
        AsyncInferenceConfig={
            "OutputConfig": {**PATHS, "NotificationConfig": notify},
            "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 2},
        },
    )
    sagemaker.create_endpoint(EndpointName="later", EndpointConfigName="later")
    wait(daemon, "later", "endpoint_in_service")
    yield daemon
    assert daemon.run("down").returncode == 0


def ask(daemon: Daemon, text: str, **members: Any) -> dict[str, Any]:
    """Put an input, and send a request for it."""
    client(daemon, "s3").put_object(Bucket="models", Key=f"inputs/{text}", Body=text.encode())
    return dict(
        client(daemon, "sagemaker-runtime").invoke_endpoint_async(
            EndpointName="later",
            InputLocation=f"s3://models/inputs/{text}",
            ContentType="text/plain",
            **members,
        )
    )


def read(daemon: Daemon, location: str) -> str:
    """Return an object as text, as soon as it is there."""
    found: list[str] = []

    def look() -> bool:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        try:
            found.append(client(daemon, "s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError:
            return False
        return True

    wait_until(look, timeout=60)
    return found[-1]


def messages(daemon: Daemon, topic: str) -> list[dict[str, Any]]:
    """Return what a topic was told."""
    path = daemon.home / "sns" / f"{topic}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(json.loads(line)["Message"]) for line in lines]


def test_an_answer_and_a_failure(daemon: Daemon) -> None:
    """Each is an object where the client was told, and a message to its topic."""
    asked = ask(daemon, "text", InferenceId="mine", S3OutputPathExtension="sub", Filename="answer.txt")
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert asked["InferenceId"] == "mine"
    assert asked["OutputLocation"] == "s3://models/answers/sub/answer.txt"
    assert read(daemon, asked["OutputLocation"]) == "TEXT"
    failed = ask(daemon, "bad")
    words = read(daemon, failed["FailureLocation"])
    assert words.startswith('Received server error (500) from primary with message "')
    wait_until(lambda: messages(daemon, "failed") != [])
    [told] = messages(daemon, "done")
    assert told["responseBody"] == {"content": "TEXT", "encoding": "CSV"}
    assert told["requestParameters"]["inputLocation"] == "s3://models/inputs/text"
    [told] = messages(daemon, "failed")
    assert (told["invocationStatus"], told["failureReason"]) == ("Failed", words)
    assert told["responseParameters"]["failureLocation"] == failed["FailureLocation"]


def test_what_it_refuses(daemon: Daemon) -> None:
    """A call of the other kind, an unknown endpoint, no input; an input that is not there is a failure."""
    runtime = client(daemon, "sagemaker-runtime")
    with pytest.raises(ClientError, match="takes asynchronous requests alone"):
        runtime.invoke_endpoint(EndpointName="later", Body=b"1")
    with pytest.raises(ClientError, match="Endpoint other of account 000000000000 not found"):
        runtime.invoke_endpoint_async(EndpointName="other", InputLocation="s3://models/x")
    with pytest.raises(ClientError, match="Expected one of InputLocation and Body"):
        runtime.invoke_endpoint_async(EndpointName="later")
    asked = runtime.invoke_endpoint_async(EndpointName="later", InputLocation="s3://models/none")
    assert "s3://models/none cannot be read" in read(daemon, asked["FailureLocation"])
    asked = runtime.invoke_endpoint_async(EndpointName="later", Body=b"short", ContentType="text/plain")
    assert read(daemon, asked["OutputLocation"]) == "SHORT"


def test_a_killed_daemon_loses_no_request(daemon: Daemon) -> None:
    """What waits and what was being answered is answered when the next daemon is there."""
    asked = [ask(daemon, f"slow-{number}") for number in range(5)]
    pid = int((daemon.home / "daemon.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert daemon.up().returncode == 0
    for number, one in enumerate(asked):
        assert read(daemon, one["OutputLocation"]) == f"SLOW-{number}"
    wait_until(lambda: list((daemon.home / "asynchronous").iterdir()) == [])


def test_without_instances_requests_wait(daemon: Daemon) -> None:
    """A variant may have none; the backlog's metrics say that it is time for one."""
    sagemaker = client(daemon, "sagemaker")

    def scale(count: int) -> None:
        sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="later",
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
        )
        wait(daemon, "later", "endpoint_in_service")

    scale(0)
    [variant] = sagemaker.describe_endpoint(EndpointName="later")["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 0
    asked = ask(daemon, "patient")

    def values(name: str) -> list[float]:
        now = datetime.now(timezone.utc)
        found = client(daemon, "cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": "later"}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Maximum"],
        )
        return [point["Maximum"] for point in found["Datapoints"]]

    wait_until(lambda: 1.0 in values("HasBacklogWithoutCapacity"), timeout=30)
    assert max(values("ApproximateBacklogSize")) >= 1
    scale(1)
    assert read(daemon, asked["OutputLocation"]) == "PATIENT"
