"""The platform's endpoints in containers: the same rules as with processes, and what only containers have."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from tests.images.conftest import Image
from tests.images.engine import Engine
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client
from tests.local.end_to_end.many_models import ask, serve_many, upload
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke, runs
from tests.local.recommendations.recommendation_platform import RecommendationPlatform
from tests.support import wait_until

from mlberth_local.sagemaker import models


@pytest.fixture
def platform(tmp_path: Path, image: Image) -> Iterator[EndpointPlatform]:
    """Return a platform with containers; nothing is left of its endpoints at the end."""
    found = EndpointPlatform(tmp_path / "home", engine="docker", image=image("serve", "base"))
    with closing(found):
        yield found


def test_a_pipeline_and_an_update(platform: EndpointPlatform) -> None:
    """Each container has its name and its log, a dead instance is replaced, an update leaves nothing."""
    names = ("first", "second")
    containers = [{**platform.container(name), "ContainerHostname": name} for name in names]
    models.create_model(platform.platform, {"ModelName": "p", "Containers": containers})
    platform.config("one", "p")
    found = platform.create("e", "one")
    assert found["EndpointStatus"] == "InService", found
    old = platform.ports("e")
    assert [invoke(port, "x") for port in old] == ["first<x>", "second<x>"]
    assert {stream.rpartition("/")[2] for stream in platform.lines("e")} == set(names)
    platform.kill("e")
    wait_until(lambda: platform.ports("e") not in ([], old), timeout=120)
    platform.model("m")
    platform.config("two", "m")
    assert platform.update("e", "two")["EndpointConfigName"] == "two"
    [port] = platform.ports("e")
    assert invoke(port, "x") == "m<x>"
    assert not any(runs(one) for one in old)


def test_images_that_cannot_serve(platform: EndpointPlatform, engine: Engine, tmp_path: Path) -> None:
    """One that is not there, and one without `serve`: the endpoint has failed, and says why."""
    platform.image = "no/such:tag"
    platform.model("none")
    platform.config("none", "none")
    reason = platform.create("none", "none")["FailureReason"]
    assert reason.startswith("ClientError: no image 'no/such:tag' on this machine; there are: ")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    platform.image = engine.build(empty, f"mlberth-tests/empty:{uuid4().hex}")
    platform.model("empty")
    platform.config("empty", "empty")
    reason = platform.create("empty", "empty")["FailureReason"]
    assert "serve" in reason


def test_a_recommendation(tmp_path: Path, image: Image) -> None:
    """Containers are tried one after another, held to the size of their type, and each is gone at the end."""
    name = image("serve", "sklearn")
    environ = {"MLBERTH_CPUS": "2", "MLBERTH_MEMORY_GB": "4", "MLBERTH_INSTANCE_LIMITS": "true"}
    with closing(
        RecommendationPlatform(tmp_path / "home", engine="docker", image=name, environ=environ)
    ) as platform:
        platform.sklearn_model("m")
        types = [{"InstanceType": one} for one in ("ml.c5.large", "ml.t2.medium")]
        request = platform.request("job", "m", platform.samples("1", "-1"), EndpointConfigurations=types)
        job = platform.run(request)
        assert job["Status"] == "COMPLETED", (job.get("FailureReason"), platform.log("job"))
        measured = {
            one["InferenceBenchmark"]["EndpointConfiguration"]["InstanceType"]: one
            for one in platform.steps("job")
        }
        assert set(measured) == {"ml.c5.large", "ml.t2.medium"}
        used = [one["InferenceBenchmark"]["Metrics"] for one in measured.values()]
        assert all(one["MaxInvocations"] >= 60 and 0 < one["MemoryUtilization"] < 100 for one in used)
        assert 0 < used[1]["CpuUtilization"] <= 100
        costs = [one["CostPerInference"] for one in used]
        assert job["InferenceRecommendations"][0]["Metrics"]["CostPerInference"] == pytest.approx(min(costs))


def test_more_models_than_memory(tmp_path: Path, image: Image) -> None:
    """The container runs out of memory, others are unloaded, and no request fails."""
    daemon = Daemon(tmp_path)
    limits = {"MLBERTH_MEMORY_GB": "0.5", "MLBERTH_INSTANCE_LIMITS": "true"}
    up = ("up", "--port", str(daemon.port), "--engine", "docker", "--detach")
    started = daemon.run(*up, environ=limits)
    assert started.returncode == 0, started.stderr
    names = [f"m{number}" for number in range(6)]
    try:
        serve_many(daemon, image("serve", "base"))
        upload(daemon, *names, size=80 * 1024 * 1024)
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(lambda name: ask(daemon, name), names * 3)) == names * 3
        [shown] = [line for line in daemon.run("status", "many").stdout.splitlines() if "loaded" in line]
        assert 1 <= int(shown.split()[2]) < len(names)
        assert (
            client(daemon, "sagemaker").describe_endpoint(EndpointName="many")["EndpointStatus"]
            == "InService"
        )
    finally:
        daemon.run("down", timeout=120)
