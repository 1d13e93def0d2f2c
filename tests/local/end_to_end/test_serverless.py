"""Serverless endpoints of `mlberth up`: no instance while nobody asks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, instances_of, make_model, wait
from tests.support import wait_until

HANDLER = """
import os, time

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    if text == "slow":
        time.sleep(2)
    return str(os.getpid())

def output_fn(prediction, accept):
    return prediction, "text/plain"
"""
IDLE = "MLBERTH_SERVERLESS_IDLE_SECONDS"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon whose serverless variants are idle after a second, with the endpoint `rare`."""
    patch = pytest.MonkeyPatch()
    patch.setenv(IDLE, "1")
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up().returncode == 0
    patch.undo()
    make_model(daemon, "rare", HANDLER)
    sagemaker = client(daemon, "sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName="rare", ProductionVariants=[variant()])
    sagemaker.create_endpoint(EndpointName="rare", EndpointConfigName="rare")
    wait(daemon, "rare", "endpoint_in_service")
    yield daemon
    assert daemon.run("down").returncode == 0


def variant(**more: Any) -> dict[str, Any]:
    """Return a serverless variant that takes three requests at once."""
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 3}
    return {"VariantName": "AllTraffic", "ModelName": "rare", "ServerlessConfig": serverless, **more}


SMALL = {"MemorySizeInMB": 1024, "MaxConcurrency": 1, "ProvisionedConcurrency": 2}


@pytest.fixture
def runtime(daemon: Daemon) -> Any:
    """Return a client, which threads may share; they may not make one at the same time."""
    return client(daemon, "sagemaker-runtime")


def ask(runtime: Any, text: str = "quick") -> str:
    """Return the process that has answered."""
    found = runtime.invoke_endpoint(EndpointName="rare", Body=text, ContentType="text/plain")
    return str(found["Body"].read().decode())


def test_it_sleeps_and_wakes(daemon: Daemon, runtime: Any) -> None:
    """Without requests it has no instance; the next one is answered by a new one, and waits for it."""
    first = ask(runtime)
    wait_until(lambda: instances_of(daemon, "rare") == [])
    found = client(daemon, "sagemaker").describe_endpoint(EndpointName="rare")
    assert found["EndpointStatus"] == "InService"
    [shown] = found["ProductionVariants"]
    assert shown["CurrentServerlessConfig"]["MaxConcurrency"] == 3
    assert "CurrentInstanceCount" not in shown
    with ThreadPoolExecutor(2) as both:
        answers = set(both.map(lambda _: ask(runtime), range(2)))
    assert len(answers) == 1
    assert answers != {first}

    def setups() -> float:
        now = datetime.now(timezone.utc)
        statistics = client(daemon, "cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName="ModelSetupTime",
            Dimensions=[
                {"Name": "EndpointName", "Value": "rare"},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["SampleCount", "Minimum"],
        )
        points = statistics["Datapoints"]
        assert all(point["Minimum"] > 10_000 for point in points)  # microseconds
        return float(sum(point["SampleCount"] for point in points))

    wait_until(lambda: setups() >= 1)  # of one that came a moment later there is none


def test_more_at_once_than_it_takes(runtime: Any) -> None:
    """They are throttled, and the others answered; while one is in work the instance stays."""
    ask(runtime)
    with ThreadPoolExecutor(6) as many:

        def one(_: int) -> str:
            try:
                return ask(runtime, "slow")
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                return f"{status} {error.response['Error']['Code']}"

        began = time.monotonic()
        answers = list(many.map(one, range(6)))
    assert answers.count("429 ThrottlingException") >= 1
    assert len([answer for answer in answers if answer.isdecimal()]) >= 3
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize(
    ("variants", "fault"),
    [
        ([variant(InitialInstanceCount=1)], "InitialInstanceCount has no place beside ServerlessConfig"),
        (
            [variant(ServerlessConfig={"MemorySizeInMB": 1500, "MaxConcurrency": 1})],
            "MemorySizeInMB: 1500 must be a multiple of 1024",
        ),
        (
            [
                variant(
                    ServerlessConfig={
                        "MemorySizeInMB": 1024,
                        "MaxConcurrency": 1,
                        "ProvisionedConcurrency": 2,
                    }
                )
            ],
            "ProvisionedConcurrency: 2 must be at most MaxConcurrency, 1",
        ),
        ([variant(), variant(VariantName="b")], "has no place for a second variant"),
    ],
)
def test_what_it_refuses(daemon: Daemon, variants: list[dict[str, Any]], fault: str) -> None:
    """The message names the member, the value and what was expected."""
    with pytest.raises(ClientError, match=fault):
        client(daemon, "sagemaker").create_endpoint_config(
            EndpointConfigName="refused", ProductionVariants=variants
        )


def test_instances_cannot_become_serverless(daemon: Daemon) -> None:
    """An endpoint that has them keeps them."""
    sagemaker = client(daemon, "sagemaker")
    plain = {"VariantName": "AllTraffic", "ModelName": "rare", "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="plain", ProductionVariants=[{**plain, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName="plain", EndpointConfigName="plain")
    wait(daemon, "plain", "endpoint_in_service")
    with pytest.raises(ClientError, match="cannot become serverless"):
        sagemaker.update_endpoint(EndpointName="plain", EndpointConfigName="rare")
