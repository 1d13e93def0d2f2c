"""Multi-model endpoints of `mlberth up`, by boto3: our own server has the models, kills included."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from botocore.exceptions import ClientError
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, instances_of, kill, pids_of, put_archive
from tests.local.end_to_end.many_models import HANDLER, PREFIX, ask, serve_many, upload
from tests.support import wait_until

from mlberth_local.endpoints.instances import run_name
from mlberth_local.gateway.models.targets import name_of


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file, with the endpoint `many`."""
    daemon = Daemon(tmp_path_factory.mktemp("many"))
    assert daemon.up().returncode == 0
    serve_many(daemon)
    upload(daemon, "a")
    yield daemon
    daemon.run("down")


def failure(daemon: Daemon, name: str) -> tuple[str, str]:
    """Return code and message of a request that must fail."""
    with pytest.raises(ClientError) as raised:
        ask(daemon, name)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_models_are_added_by_upload(daemon: Daemon) -> None:
    """Each is loaded by its first request; another object of the same name is not, as on the platform."""
    assert ask(daemon, "a") == "a"
    upload(daemon, "b")
    assert [ask(daemon, name) for name in ("b", "a")] == ["b", "a"]
    put_archive(daemon, f"{PREFIX}/b.tar.gz", HANDLER.format(name="changed", size=0))
    assert ask(daemon, "b") == "b"
    shown = daemon.run("status", "many").stdout
    assert "models loaded: 2 a.tar.gz, b.tar.gz\n" in shown


def test_models_that_cannot_be_had(daemon: Daemon) -> None:
    """One that is not there, one that is no archive, one that does not load: each is told with its cause."""
    code, message = failure(daemon, "none")
    assert code == "ValidationError"
    assert message.startswith("Failed to download model data(bucket: models, key: many/none.tar.gz). Please")
    client(daemon, "s3").put_object(Bucket="models", Key=f"{PREFIX}/bad.tar.gz", Body=b"x" * 2000)
    code, message = failure(daemon, "bad")
    assert code == "ValidationError"
    assert message.startswith('Failed to extract model data archive from URL "s3://models/many/bad.tar.gz"')
    assert str(daemon.home) not in message
    put_archive(daemon, f"{PREFIX}/raises.tar.gz", "raise ValueError('no weights')")
    code, message = failure(daemon, "raises")
    assert code == "ModelError"
    assert "(500) from primary with message" in message
    assert "no weights" in message
    upload(daemon, "raises")
    assert ask(daemon, "raises") == "raises"


def test_the_daemon_is_killed(daemon: Daemon) -> None:
    """Models that are loaded answer on; one that is not waits for the next daemon, which brings it."""
    upload(daemon, "late")
    assert ask(daemon, "a") == "a"
    kill(daemon)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, daemon, "late")
        assert ask(daemon, "a") == "a"
        assert daemon.up().returncode == 0
        assert late.result(60) == "late"


def test_an_instance_dies(daemon: Daemon) -> None:
    """The one that takes its place has no models, and loads them when they are asked for."""
    [before] = instances_of(daemon, "many")
    folder = daemon.home / "runs" / run_name("many", before.name, 1) / "models"
    assert (folder / name_of("a.tar.gz") / "model" / "code" / "inference.py").is_file()
    for pid in pids_of(daemon, "many"):
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: [one.name for one in instances_of(daemon, "many")] not in ([], [before.name]), timeout=120
    )
    wait_until(lambda: not folder.exists())
    assert ask(daemon, "a") == "a"


def test_metrics(daemon: Daemon) -> None:
    """CloudWatch has those of multi-model endpoints, in the platform's namespaces and units."""

    def statistic(name: str, statistic: str, namespace: str = "AWS/SageMaker") -> float:
        now = datetime.now(timezone.utc)
        dimensions = {"EndpointName": "many", "VariantName": "AllTraffic"}
        found = client(daemon, "cloudwatch").get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in found))

    upload(daemon, "x", "y", "z")
    for name in ("x", "y", "z", "x"):
        ask(daemon, name)
    wait_until(lambda: statistic("ModelLoadingTime", "SampleCount") >= 3)
    wait_until(lambda: statistic("ModelCacheHit", "Sum") >= 1)
    assert statistic("ModelCacheHit", "SampleCount") > statistic("ModelCacheHit", "Sum")
    for name in ("ModelLoadingWaitTime", "ModelDownloadingTime", "ModelLoadingTime"):
        assert statistic(name, "SampleCount") >= 3
        assert statistic(name, "Maximum") > 1000  # microseconds
    assert statistic("LoadedModelCount", "SampleCount", "/aws/sagemaker/Endpoints") >= 1
