"""The Docker engine ends, is restarted or hangs, under a job and under an endpoint with requests."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.load import LONG, report
from tests.faults.private_docker import PrivateDocker, require
from tests.images.conftest import Image, _own_names, engine, image
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy, wait
from tests.local.end_to_end.paced_load import PacedLoad
from tests.local.end_to_end.test_job_commands import client as job_client
from tests.support import wait_until

__all__ = ["_own_names", "engine", "image"]
pytestmark = pytest.mark.skipif(not LONG, reason="MLBERTH_LONG=1: starts a Docker engine of its own")
IMAGE = "mlberth-serve:base"
LINES, MORE = 80, 600
"""Of a job, ten a second; Docker gives a program that ignores SIGTERM some seconds to end by itself."""
COUNT = "import time; [(print(number, flush=True), time.sleep(0.1)) for number in range({})]"
RATE, CALM = 50, 2.0
"""Requests a second, and seconds without a failure after which an endpoint is back."""
ENDS = [
    pytest.param(live_restore, number, id=f"{number.name}{'-live-restore' if live_restore else ''}")
    for live_restore in (True, False)
    for number in (signal.SIGKILL, signal.SIGTERM)
]


@pytest.fixture(scope="module")
def docker(image: Image) -> Iterator[PrivateDocker]:
    """Run an engine that has the image."""
    require()
    found = PrivateDocker()
    try:
        found.start(live_restore=True)
        found.load(image("serve", "base"), IMAGE)
        yield found
    finally:
        found.close()


@pytest.fixture
def daemon(docker: PrivateDocker, tmp_path: Path) -> Iterator[Daemon]:
    """Return a daemon that uses the engine; at the end nothing of it is left there."""
    variables = {"DOCKER_HOST": docker.host, "MLBERTH_BRIDGE_ADDRESS": docker.address}
    found = Daemon(tmp_path, variables=variables)
    yield found
    assert found.run("down").returncode == 0
    assert docker.left() == []
    assert list((found.home / "runs").glob("*")) == []


def begin(daemon: Daemon, name: str, count: int) -> Any:
    """Start a job that counts; returns what describes it."""
    sagemaker = job_client(daemon, "sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", COUNT.format(count)],
        },
        RoleArn="arn:aws:iam::000000000000:role/mlberth",
        OutputDataConfig={"S3OutputPath": "s3://jobs/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    return lambda: dict(sagemaker.describe_training_job(TrainingJobName=name))


def lines(daemon: Daemon, name: str) -> list[str]:
    """Return the lines of a job's log."""
    return daemon.run("logs", name).stdout.splitlines()


@pytest.mark.parametrize(("live_restore", "number"), ENDS)
def test_43_docker_is_restarted_under_a_job(
    docker: PrivateDocker, daemon: Daemon, live_restore: bool, number: signal.Signals
) -> None:
    """With live restore the job goes on, and no line is lost or there twice; without, it says so."""
    docker.start(live_restore=live_restore)
    assert daemon.up("docker").returncode == 0
    job_client(daemon, "s3").create_bucket(Bucket="jobs")
    described = begin(daemon, "counting", LINES if live_restore else MORE)
    wait_until(lambda: len(lines(daemon, "counting")) > 5, timeout=60)
    docker.end(number)
    docker.start(live_restore=live_restore)
    began = time.monotonic()
    wait_until(lambda: described()["TrainingJobStatus"] in ("Completed", "Failed"), timeout=120)
    found, recovery = described(), time.monotonic() - began
    if live_restore:
        counted = [int(line.split()[-1]) for line in lines(daemon, "counting")]
        missing = len(set(range(LINES)) - set(counted))
        report(f"Docker: {number.name} under a job, live restore: lines", n=LINES, failed=missing)
        assert (found["TrainingJobStatus"], counted) == ("Completed", list(range(LINES))), found
    else:
        report(f"Docker: {number.name} under a job", n=1, failed=0, recovery=recovery)
        assert found["TrainingJobStatus"] == "Failed"
        assert found["FailureReason"].startswith("InternalServerError: algo-1"), found["FailureReason"]
    described = begin(daemon, "next", 1)
    wait_until(lambda: described()["TrainingJobStatus"] in ("Completed", "Failed"), timeout=120)
    assert described()["TrainingJobStatus"] == "Completed", described()
    wait_until(lambda: docker.left() == [], timeout=60)


@pytest.mark.parametrize(("live_restore", "number"), ENDS)
def test_docker_is_restarted_under_an_endpoint(
    docker: PrivateDocker, daemon: Daemon, live_restore: bool, number: signal.Signals
) -> None:
    """Requests fail while it is away, with an error of the platform; then the endpoint serves by itself."""
    docker.start(live_restore=live_restore)
    assert daemon.up("docker").returncode == 0
    deploy(daemon, "served", count=2)
    with PacedLoad(daemon.port, "served", RATE) as load:
        wait_until(lambda: len(load.answers) > RATE, timeout=60)
        docker.end(number)
        docker.start(live_restore=live_restore)
        returned = load.elapsed

        def last_failure() -> float:
            return max((one.due for one in load.answers if one.failure), default=returned)

        wait_until(lambda: load.elapsed > max(returned, last_failure()) + CALM, timeout=120)
        recovery = max(0.0, last_failure() - returned)
    name = f"Docker: {number.name} under an endpoint{', live restore' if live_restore else ''}"
    report(name, n=len(load.answers), failed=len(load.failures), recovery=recovery)
    wait(daemon, "served", "endpoint_in_service")
    assert {failure[:3] for failure in load.failures} <= {"424", "503"}, set(load.failures)
    runtime = client(daemon, "sagemaker-runtime")
    runtime.invoke_endpoint(EndpointName="served", Body=b"1", ContentType="text/csv")
    client(daemon, "sagemaker").delete_endpoint(EndpointName="served")
    wait(daemon, "served", "endpoint_deleted")
    assert docker.left() == []


def test_docker_hangs_under_an_endpoint(docker: PrivateDocker, daemon: Daemon) -> None:
    """No request notices."""
    docker.start(live_restore=False)
    assert daemon.up("docker").returncode == 0
    deploy(daemon, "served", count=2)
    with PacedLoad(daemon.port, "served", RATE) as load:
        docker.pause(signal.SIGSTOP)
        stopped = load.elapsed
        wait_until(lambda: load.elapsed > stopped + 5)
        docker.pause(signal.SIGCONT)
        wait_until(lambda: load.elapsed > stopped + 7)
    report("Docker: SIGSTOP under an endpoint", n=len(load.answers), failed=len(load.failures))
    assert load.failures == []
    wait(daemon, "served", "endpoint_in_service")
