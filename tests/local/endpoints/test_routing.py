"""The gateway's table of endpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth_local.endpoints.deployment import DELETING
from mlberth_local.endpoints.record import DRAINING, READY, Deployment, EndpointState, Fleet, Instance
from mlberth_local.endpoints.routing import Trees, route
from mlberth_local.gateway.table import ModelStore

TREES = Trees(Path("/runs"), in_containers=True)


def fleet(variant: str, weight: float, *instances: Instance) -> Fleet:
    """Return a fleet."""
    return Fleet(variant, {}, [{}], weight, len(instances), instances=list(instances))


def ready(name: str) -> Instance:
    """Return an instance in traffic."""
    return Instance(name, [1], READY)


def parts(state: EndpointState) -> dict[str, tuple[float, dict[str, float]]]:
    """Return the weight of each variant, and the shares of its fleets by their configurations."""
    found = route("e", state, "arn:", TREES)
    assert found
    return {
        one.name: (one.weight, {fleet.config_name: fleet.share for fleet in one.fleets})
        for one in found.variants
    }


def test_an_endpoint_without_traffic_does_not_answer() -> None:
    """Nor does one that is being deleted."""
    state = EndpointState([Deployment(1, "c", {}, [fleet("v", 1.0, ready("i"))])])
    assert route("e", state, "arn:", TREES) is None
    state.deployments[0].share = 1.0
    assert route("e", state, "arn:", TREES)
    state.stage = DELETING
    assert route("e", state, "arn:", TREES) is None


def test_only_ready_instances_get_requests() -> None:
    """A variant without one stays: it answers 503, and is no unknown variant."""
    state = EndpointState(
        [Deployment(1, "c", {}, [fleet("v", 1.0, Instance("gone", [2], DRAINING))], share=1.0)]
    )
    found = route("e", state, "arn:", TREES)
    assert found
    assert found.variants[0].fleets[0].instances == ()
    assert found.log_group_arn == "arn:/aws/sagemaker/Endpoints/e"


def test_two_deployments_share_the_traffic() -> None:
    """Variants that both have get the parts of both; one that only one has, its part of that."""
    old = Deployment(1, "old", {}, [fleet("a", 3.0), fleet("b", 1.0)], share=0.9)
    new = Deployment(2, "new", {}, [fleet("a", 1.0), fleet("c", 1.0), fleet("d", 0.0)], share=0.1)
    found = parts(EndpointState([old, new]))
    assert {name: weight for name, (weight, _) in found.items()} == pytest.approx(
        {"a": 0.725, "b": 0.225, "c": 0.05, "d": 0.0}
    )
    assert found["a"][1] == pytest.approx({"old": 0.675 / 0.725, "new": 0.05 / 0.725})
    assert found["d"][1] == {"new": 1.0}


@pytest.mark.parametrize("in_containers", [True, False])
def test_many_models(in_containers: bool) -> None:
    """The gateway is told where the models of each instance lie, here and in the container."""
    many = {"Mode": "MultiModel", "MultiModelConfig": {"ModelCacheSetting": "Disabled"}}
    pipeline = Fleet("v", {}, [{}, many], 1.0, 1, instances=[Instance("i", [1, 2], READY)])
    state = EndpointState([Deployment(1, "c", {}, [pipeline], share=1.0)])
    found = route("e", state, "arn:", Trees(Path("/runs"), in_containers))
    assert found
    assert found.variants[0].multi_model
    (instance,) = found.variants[0].fleets[0].instances
    folder = "/runs/endpoint.e.i.2/models"
    inside = "/opt/ml/models" if in_containers else folder
    assert instance.models == ModelStore(1, folder, inside, caches=False)
