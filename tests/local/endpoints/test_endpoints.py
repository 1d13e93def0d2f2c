"""Endpoints, with our own model server as plain processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.local.endpoints.endpoint_platform import EndpointPlatform, invoke, runs
from tests.local.engines.silence import silence
from tests.support import wait_until

from mlberth_local.engines.base import Run
from mlberth_local.errors import ServiceError
from mlberth_local.sagemaker import endpoints, models


def with_models(home: Path) -> EndpointPlatform:
    """Return a platform with the models `a` and `b`."""
    found = EndpointPlatform(home)
    for name in ("a", "b"):
        found.model(name)
    return found


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[EndpointPlatform]:
    """Return a platform with the models `a` and `b`."""
    with closing(with_models(tmp_path / "home")) as found:
        yield found


def test_from_creation_to_deletion(platform: EndpointPlatform) -> None:
    """It serves, is listed, writes its log, and nothing is left of it."""
    platform.config("one", "a")
    creating = platform.create("e", "one", wait=False)
    assert creating["EndpointStatus"] == "Creating"
    assert creating["PendingDeploymentSummary"]["EndpointConfigName"] == "one"
    [variant] = creating["ProductionVariants"]
    assert variant["VariantStatus"][0]["Status"] == "Creating"
    with pytest.raises(ServiceError, match="Cannot update in-progress endpoint"):
        platform.delete("e")
    with pytest.raises(ServiceError, match="Cannot update in-progress endpoint"):
        platform.update("e", "one")
    found = platform.settle("e")
    assert found["EndpointStatus"] == "InService", found
    assert found["EndpointConfigName"] == "one"
    assert found["EndpointArn"] == "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e"
    assert "PendingDeploymentSummary" not in found
    [variant] = found["ProductionVariants"]
    assert {name: variant[name] for name in variant if name.startswith(("Current", "Desired"))} == {
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 1,
        "DesiredInstanceCount": 1,
    }
    assert "VariantStatus" not in variant
    [port] = platform.ports("e")
    assert invoke(port, "1") == "a<1>"
    [stream] = platform.lines("e")
    assert stream.startswith("v-a/i-")
    [summary] = endpoints.list_endpoints(platform.platform, {"StatusEquals": "InService"})["Endpoints"]
    assert summary["EndpointName"] == "e"
    with pytest.raises(ServiceError, match='Cannot create already existing endpoint "arn:'):
        platform.create("e", "one")
    platform.delete("e")
    assert not runs(port)
    assert platform.ports("e") == []
    with pytest.raises(ServiceError, match='Could not find endpoint "arn:'):
        platform.describe("e")


def test_variants_instances_and_pipelines(platform: EndpointPlatform) -> None:
    """Each variant has its instances, each instance of a pipeline a server and a log for each container."""
    containers = [platform.container(name) for name in ("first", "second")]
    models.create_model(platform.platform, {"ModelName": "p", "Containers": containers})
    platform.config("two", "a", "p", count=2, InitialVariantWeight=3.0)
    assert platform.create("e", "two")["EndpointStatus"] == "InService"
    [endpoint] = platform.gateway.tables[-1].endpoints
    assert endpoint.log_group_arn == (
        "arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/e"
    )
    single, pipeline = endpoint.variants
    assert (single.name, single.weight, single.containers) == ("v-a", 0.5, ("primary",))
    assert pipeline.containers == ("container-1", "container-2")
    [fleet] = pipeline.fleets
    assert (fleet.config_name, fleet.share) == ("two", 1.0)
    for instance in fleet.instances:
        assert [invoke(port, "x") for port in instance.ports] == ["first<x>", "second<x>"]
    streams = {f"v-p/{one.name}/container-{number}" for one in fleet.instances for number in (1, 2)}
    assert streams <= set(platform.lines("e"))


def test_a_server_that_ends(platform: EndpointPlatform) -> None:
    """The endpoint has failed, with the last lines of its log; it can be deleted, and nothing else."""
    platform.model("broken", "print('line one')\nraise RuntimeError('no weights')\n")
    platform.config("bad", "broken")
    found = platform.create("e", "bad")
    assert found["EndpointStatus"] == "Failed"
    reason = found["FailureReason"]
    assert (
        "The primary container for production variant v-broken did not pass the ping health check" in reason
    )
    assert "exit code 65" in reason
    assert "no weights" in reason
    assert len(reason) <= 1024
    with pytest.raises(ServiceError, match="it can only be deleted"):
        platform.update("e", "bad")
    platform.delete("e")
    assert endpoints.list_endpoints(platform.platform, {})["Endpoints"] == []


def test_a_server_that_is_never_ready(platform: EndpointPlatform) -> None:
    """After the variant's time the endpoint has failed."""
    platform.model("slow", "import time\nprint('loading', flush=True)\ntime.sleep(600)\n")
    platform.config("late", "slow", ContainerStartupHealthCheckTimeoutInSeconds=1)
    found = platform.create("e", "late")
    assert "It did not answer /ping with 200 within 1 s." in found["FailureReason"]


def test_a_model_that_is_not_there(platform: EndpointPlatform) -> None:
    """The reason names its address."""
    platform.model("gone")
    (platform.bucket / "gone.tar.gz").unlink()
    platform.config("gone", "gone")
    assert "s3://bucket/gone.tar.gz" in platform.create("e", "gone")["FailureReason"]


def test_an_instance_that_dies_is_replaced(platform: EndpointPlatform) -> None:
    """The endpoint stays in service, and another instance takes its place."""
    platform.config("one", "a")
    platform.create("e", "one")
    [port] = platform.ports("e")
    platform.kill("e")
    wait_until(lambda: platform.ports("e") not in ([], [port]), timeout=60)
    assert invoke(platform.ports("e")[0], "1") == "a<1>"
    assert platform.settle("e")["EndpointStatus"] == "InService"


def test_an_engine_that_is_away_for_a_while(
    platform: EndpointPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same instances serve on, and their logs are followed again when it is back."""
    platform.config("one", "a")
    platform.create("e", "one")
    [port] = platform.ports("e")
    engine, watched = platform.endpoints.context.parts.engine, list[Run]()
    monkeypatch.setattr(engine, "watch", watched.append)
    with silence(engine) as refused:
        wait_until(lambda: refused.count("states") > 2)
    wait_until(lambda: watched)
    assert platform.settle("e")["EndpointStatus"] == "InService"
    assert platform.ports("e") == [port]
    assert invoke(port, "1") == "a<1>"


def test_an_update(platform: EndpointPlatform) -> None:
    """The old instances serve until the new ones do, and then as long as requests are on their way."""
    platform.config("one", "a")
    platform.config("two", "b", count=2)
    platform.create("e", "one")
    [old] = platform.ports("e")
    platform.gateway.busy = True
    updating = platform.update("e", "two", wait=False)
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "one")
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == "two"
    with pytest.raises(ServiceError, match="Cannot update in-progress endpoint"):
        platform.update("e", "one")
    wait_until(lambda: platform.ports("e") not in ([], [old]), timeout=60)
    assert runs(old)
    platform.gateway.busy = False
    found = platform.settle("e")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "two")
    assert not runs(old)
    assert [invoke(port, "1") for port in platform.ports("e")] == ["b<1>", "b<1>"]
    # At no moment had the gateway nothing to send requests to.
    assert all(
        fleet.instances
        for table in platform.gateway.tables[1:]
        for endpoint in table.endpoints
        for variant in endpoint.variants
        for fleet in variant.fleets
    )


def test_a_failed_update(platform: EndpointPlatform) -> None:
    """What served before serves on, and the endpoint says why."""
    platform.model("broken", "raise RuntimeError('no weights')\n")
    platform.config("one", "a")
    platform.config("bad", "broken")
    platform.create("e", "one")
    before = platform.ports("e")
    found = platform.update("e", "bad")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "one")
    assert "no weights" in found["FailureReason"]
    assert platform.ports("e") == before
    assert invoke(before[0], "1") == "a<1>"
    assert "FailureReason" not in platform.update("e", "one")


def scale(platform: EndpointPlatform, **members: Any) -> dict[str, Any]:
    """Change the variant `v-a`; returns the endpoint's description, at rest."""
    request = {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "v-a", **members}]}
    endpoints.update_endpoint_weights_and_capacities(platform.platform, request)
    assert platform.describe("e")["EndpointStatus"] in ("Updating", "InService")
    return platform.settle("e")


def test_weights_and_numbers_of_instances(platform: EndpointPlatform) -> None:
    """They change without the instances that stay; an update keeps them if it is told to."""
    platform.config("two", "a", "b")
    platform.create("e", "two")
    before = platform.ports("e")
    found = scale(platform, DesiredWeight=3.0, DesiredInstanceCount=2)
    first, _ = found["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (3.0, 2)
    [endpoint] = platform.gateway.tables[-1].endpoints
    assert [variant.weight for variant in endpoint.variants] == [0.75, 0.25]
    assert set(before) < set(platform.ports("e"))
    found = platform.update(
        "e",
        "two",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredInstanceCount"}],
    )
    first, _ = found["ProductionVariants"]
    assert (first["CurrentWeight"], first["CurrentInstanceCount"]) == (3.0, 1)


def test_faulty_changes(platform: EndpointPlatform) -> None:
    """All that is wrong is said, and nothing changes."""
    platform.config("one", "a")
    platform.create("e", "one")
    entries: list[dict[str, Any]] = [
        {"VariantName": "none", "DesiredWeight": -1.0},
        {"VariantName": "v-a", "DesiredWeight": 0.0, "DesiredInstanceCount": 0},
    ]
    request = {"EndpointName": "e", "DesiredWeightsAndCapacities": entries}
    with pytest.raises(ServiceError) as raised:
        endpoints.update_endpoint_weights_and_capacities(platform.platform, request)
    for text in ("no variant none; it has v-a", "-1.0 must be", "0 must be 1 or more", "weights of all"):
        assert text in str(raised.value)
    assert platform.describe("e")["EndpointStatus"] == "InService"


def test_a_platform_that_ends_and_comes_back(tmp_path: Path) -> None:
    """Its endpoints end with it, and are served again."""
    with closing(with_models(tmp_path)) as first:
        first.config("one", "a")
        first.create("e", "one")
        [port] = first.ports("e")
    assert not runs(port)
    with closing(EndpointPlatform(tmp_path)) as second:
        assert second.settle("e")["EndpointStatus"] == "InService"
        assert invoke(second.ports("e")[0], "1") == "a<1>"
        statuses = [entry["status"] for entry in second.state("e").timeline]
        assert statuses == ["Creating", "Creating", "InService", "SystemUpdating", "InService"]
