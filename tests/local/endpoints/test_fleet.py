"""Fleets: which instances are named, and which are let go."""

from __future__ import annotations

from mlberth_local.endpoints import fleet
from mlberth_local.endpoints.deployment import IN_SERVICE
from mlberth_local.endpoints.instances import Finding
from mlberth_local.endpoints.record import (
    DRAINING,
    NEW,
    READY,
    STARTING,
    STOPPING,
    Deployment,
    EndpointState,
    Fleet,
    Instance,
)


def state(desired: int, *phases: str) -> EndpointState:
    """Return an endpoint with one fleet; its instances are `0`, `1`, … and as old as their numbers."""
    instances = [Instance(str(number), [1], phase, number) for number, phase in enumerate(phases)]
    found = Fleet("v", {}, [{}], 1.0, desired, instances=instances)
    return EndpointState([Deployment(1, "c", {}, [found], share=1.0)])


def phases(found: EndpointState) -> list[str]:
    """Return the phases of the instances."""
    return [instance.phase for _, instance in found.instances()]


def one(found: EndpointState) -> Fleet:
    """Return the fleet."""
    return found.deployments[0].fleets[0]


def test_missing_ones_are_named() -> None:
    """As many as there are too few, each with a port for each container; those that go do not count."""
    found = state(3, READY, DRAINING)
    one(found).containers = [{}, {}]
    fleet.scale(found, 5.0)
    assert phases(found) == [READY, DRAINING, NEW, NEW]
    *_, first, second = one(found).instances
    assert first.name != second.name
    assert len({*first.ports, *second.ports}) == 4


def test_surplus_ones_go() -> None:
    """First those that do not serve yet, at once; then the newest, after their last request."""
    found = state(1, READY, READY, STARTING)
    fleet.scale(found, 5.0)
    assert phases(found) == [READY, DRAINING, STOPPING]
    fleet.scale(found, 6.0)
    assert phases(found) == [READY, DRAINING, STOPPING]


def test_failures_are_not_repeated_without_a_pause() -> None:
    """The first one is replaced at once, the next ones ever later; one that served for long starts anew."""
    found, waits = state(1, READY), []
    for now in (1000.0, 2000.0, 3000.0, 4000.0):
        [(_, instance)] = found.instances()
        instance.since, instance.phase = now, STARTING
        fleet.note(found, {instance.name: Finding(STOPPING, "broken", failed=True)}, IN_SERVICE, now)
        waits.append(one(found).retry_at - now)
        fleet.note(found, {instance.name: Finding("")}, IN_SERVICE, now)
        fleet.scale(found, now)
        assert (len(one(found).instances) == 0) == (waits[-1] > 0)
        fleet.scale(found, one(found).retry_at)
        assert phases(found) == [NEW]
    assert waits == [0.0, 2.0, 4.0, 8.0]
    assert one(found).reason == "broken"
    [(_, instance)] = found.instances()
    fleet.note(found, {instance.name: Finding(READY)}, IN_SERVICE, 5000.0)
    assert (one(found).reason, instance.served) == ("", True)
    fleet.note(found, {instance.name: Finding(DRAINING, "died", failed=True)}, IN_SERVICE, 5100.0)
    assert one(found).retry_at == 5100.0
