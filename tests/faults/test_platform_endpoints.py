"""Faults of requests to the platform's endpoints, and faulty endpoints. Rows 47 to 51 of the matrix."""

from __future__ import annotations

import math
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench.processes import pss_bytes
from botocore.exceptions import ClientError
from tests.faults.load import LONG, quantile, report
from tests.faults.test_endpoints import Load, gateway
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, create, deploy, make_model, pids_of, variant
from tests.local.endpoints.endpoint_platform import EndpointPlatform
from tests.support import wait_until

ROLE = "arn:aws:iam::000000000000:role/mlberth"
STEPS = ("first", "second", "third")
HANDLER = """
import json, os, time

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body if isinstance(body, str) else bytes(body).decode()

def predict_fn(text, model):
    if os.environ.get("FAULTY"):
        if text == '"dies"':
            os.abort()
        if text == '"hangs"':
            time.sleep(600)
        if text == '"is slow"':
            time.sleep(0.5)
        if text == '"writes no JSON"':
            return "<html>"
    if os.environ.get("READS_JSON"):
        json.loads(text)
    return text

def output_fn(text, accept):
    return text, "text/csv"
"""
SERVER = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "2"}
MOST_MEMORY = 64 * 1024 * 1024
"""That a gateway may take for a shadow which answers nothing, in bytes."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon."""
    daemon = Daemon(tmp_path_factory.mktemp("faulty"))
    assert daemon.up().returncode == 0
    yield daemon
    assert daemon.run("down").returncode == 0


def container(daemon: Daemon, name: str, **environ: str) -> dict[str, Any]:
    """Return a container with the handler, as a model has it."""
    make_model(daemon, name, HANDLER)
    found = client(daemon, "sagemaker").describe_model(ModelName=name)["PrimaryContainer"]
    return {**found, "Environment": {**SERVER, **environ}}


def ask(daemon: Daemon, endpoint: str, body: str) -> str:
    """Return the answer to a request, or the words of its error."""
    runtime = client(daemon, "sagemaker-runtime")
    try:
        found = runtime.invoke_endpoint(EndpointName=endpoint, Body=body, ContentType="text/csv")
    except ClientError as error:
        return str(error)
    return str(found["Body"].read().decode())


@pytest.mark.usefixtures("nginx")
def test_47_a_step_of_a_pipeline(daemon: Daemon) -> None:
    """The error names the step; everybody else is answered."""
    containers = [
        {**container(daemon, name, **environ), "ContainerHostname": name}
        for name, environ in zip(STEPS, ({}, {"FAULTY": "1"}, {"READS_JSON": "1"}), strict=True)
    ]
    client(daemon, "sagemaker").create_model(ModelName="steps", Containers=containers, ExecutionRoleArn=ROLE)
    create(daemon, "steps", variant("steps"))
    for fault, step in (("dies", "second"), ("hangs", "second"), ("writes no JSON", "third")):
        with Load(daemon.port, "steps") as load:
            answer = ask(daemon, "steps", f'"{fault}"')
            load.go_on()
        report(f"the second of three containers {fault}", n=load.answered, failed=len(load.failures))
        assert f"from {step} with message" in answer or f"container {step}" in answer.lower(), answer
        assert load.failures == []


def shadowed(daemon: Daemon) -> None:
    """Make the endpoints `alone` and `copied`, which has a shadow that is faulty."""
    for name, environ in (("well", {}), ("faulty", {"FAULTY": "1"})):
        client(daemon, "sagemaker").create_model(
            ModelName=f"{name}-model",
            PrimaryContainer=container(daemon, name, **environ),
            ExecutionRoleArn=ROLE,
        )
    create(daemon, "alone", variant("well-model"))
    shadow = variant("faulty-model", "shadow")
    create(daemon, "copied", variant("well-model"), ShadowProductionVariants=[shadow])


@pytest.mark.usefixtures("nginx")
def test_48_a_faulty_shadow(daemon: Daemon) -> None:
    """Production answers as it does without one, and what waits for it is bounded."""
    shadowed(daemon)
    pid = gateway(daemon)
    with Load(daemon.port, "alone", '"dies"') as alone:
        alone.go_on()
    before = pss_bytes(pid)
    for fault in ("is slow", "dies", "hangs"):
        with Load(daemon.port, "copied", f'"{fault}"') as load:
            load.go_on()
        report(
            f"a shadow that {fault}",
            n=load.answered,
            failed=len(load.failures),
            p99_without_s=quantile(alone.times, 0.99),
            p99_s=quantile(load.times, 0.99),
        )
        assert load.failures == []
    assert pss_bytes(pid) < before + MOST_MEMORY


def test_49_a_variant_of_weight_0(daemon: Daemon) -> None:
    """It gets the requests that name it, and no others."""
    make_model(daemon, "weighted")
    create(daemon, "unequal", variant("weighted"), variant("weighted", "none", InitialVariantWeight=0))
    runtime, tries = client(daemon, "sagemaker-runtime"), 1000 if LONG else 50
    asked = {"EndpointName": "unequal", "Body": b"1", "ContentType": "text/csv"}
    took = Counter(runtime.invoke_endpoint(**asked)["InvokedProductionVariant"] for _ in range(tries))
    report("a variant of weight 0", n=tries, failed=took["none"])
    assert took == {"AllTraffic": tries}
    named = runtime.invoke_endpoint(**asked, TargetVariant="none")
    assert named["InvokedProductionVariant"] == "none"


def test_49_no_instance_is_left(daemon: Daemon) -> None:
    """Requests get 503 at once, and the endpoint serves again as soon as an instance can start."""
    deploy(daemon, "lost")
    s3 = client(daemon, "s3")
    model = s3.get_object(Bucket="models", Key="lost.tar.gz")["Body"].read()
    s3.delete_object(Bucket="models", Key="lost.tar.gz")
    for pid in pids_of(daemon, "lost"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "has no instance that answers" in ask(daemon, "lost", "1"), timeout=60)
    with Load(daemon.port, "lost") as load:
        wait_until(lambda: len(load.failures) > 20, timeout=60)
        s3.put_object(Bucket="models", Key="lost.tar.gz", Body=model)
        wait_until(lambda: load.answered > 20, timeout=90)
        failed = len(load.failures)
        load.go_on()
    assert len(load.failures) == failed
    assert {failure[:3] for failure in load.failures} == {"503"}
    report("no instance is left: requests after one is", n=load.answered, failed=0)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[EndpointPlatform]:
    """Return a platform of which nothing is left at the end."""
    with closing(EndpointPlatform(tmp_path / "home")) as found:
        yield found


@pytest.mark.parametrize("end", ["ends at once with 0", "is never ready"])
def test_50_a_container(platform: EndpointPlatform, end: str) -> None:
    """The endpoint has failed, and its reason has the container's last lines."""
    last = "os._exit(0)" if end.startswith("ends") else "time.sleep(600)"
    handler = f"import os, time\nfor n in range(100): print('line', n, flush=True)\n{last}\n"
    platform.model("bad", handler)
    platform.config("bad", "bad", ContainerStartupHealthCheckTimeoutInSeconds=15)
    found = platform.create("bad", "bad")
    report(f"a container that {end}", n=1, failed=int(found["EndpointStatus"] != "Failed"))
    assert found["EndpointStatus"] == "Failed"
    assert "line 99" in found["FailureReason"]
    assert "line 60" in found["FailureReason"]


FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("create_endpoint_config", {"ProductionVariants": [variant("m", InitialVariantWeight=-1.0)]}, "-1.0"),
    ("create_endpoint_config", {"ProductionVariants": [variant("m", InitialVariantWeight=math.nan)]}, "nan"),
    (
        "create_endpoint_config",
        {"ProductionVariants": [variant("m", name, InitialVariantWeight=0.0) for name in "ab"]},
        "the weights of all variants are 0",
    ),
    ("create_endpoint_config", {"ProductionVariants": [variant("m"), variant("m")]}, "must be unique"),
    ("create_endpoint_config", {"ProductionVariants": [variant("none")]}, "Could not find model"),
    ("create_model", {"Containers": []}, "Containers is required"),
    ("create_model", {"Containers": [{"Image": "a"}] * 16}, "15"),
    ("create_endpoint", {"EndpointConfigName": "none"}, "Could not find endpoint configuration"),
]


def test_51_bad_input(daemon: Daemon) -> None:
    """It is refused by what is wrong, and nothing is made."""
    sagemaker = client(daemon, "sagemaker", parameter_validation=False)
    container_ = {"Image": "mlberth-serve:base"}
    sagemaker.create_model(ModelName="m", PrimaryContainer=container_, ExecutionRoleArn=ROLE)
    names = {
        "create_endpoint_config": "EndpointConfigName",
        "create_model": "ModelName",
        "create_endpoint": "EndpointName",
    }
    for operation, members, words in FAULTS:
        with pytest.raises(ClientError, match="ValidationException") as raised:
            getattr(sagemaker, operation)(**{names[operation]: "bad", **members})
        assert words in str(raised.value).lower() or words in str(raised.value)
    for operation, name in names.items():
        describe = getattr(sagemaker, operation.replace("create", "describe"))
        with pytest.raises(ClientError, match="Could not find"):
            describe(**{name: "bad"})
    assert "Endpoint none of account 000000000000 not found" in ask(daemon, "none", "1")
    report("bad input for endpoints", n=len(FAULTS) + 1, failed=0)
