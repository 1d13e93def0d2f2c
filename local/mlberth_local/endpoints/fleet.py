"""The number of instances of each fleet: missing ones are named, surplus ones leave the traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import uuid4

from mlberth_local.endpoints.instances import GONE, Finding
from mlberth_local.endpoints.record import (
    DRAINING,
    NEW,
    READY,
    STARTING,
    STOPPING,
    EndpointState,
    Fleet,
    Instance,
)
from mlberth_local.engines.ports import free_port

_STEADY_SECONDS = 60.0
"""An instance that has served for so long has not failed at its start."""
_LONGEST_WAIT = 30.0
"""Seconds before another instance is started in the place of one that has failed."""


def note(state: EndpointState, found: Mapping[str, Finding], status: str, now: float) -> None:
    """Write down what has become of instances of an endpoint with this status."""
    for fleet, instance in list(state.instances()):
        finding = found.get(instance.name)
        if finding is None:
            continue
        if finding.failed:
            if instance.phase == READY:
                text = f"Instance {instance.name} leaves the traffic: {finding.problem}"
                state.note(status, text, now)
            _note_failure(fleet, instance, finding, now)
        if finding.phase == GONE:
            fleet.instances.remove(instance)
            continue
        instance.phase, instance.since = finding.phase, now
        if finding.phase == READY:
            instance.served, fleet.reason = True, ""


def _note_failure(fleet: Fleet, instance: Instance, finding: Finding, now: float) -> None:
    if instance.phase == READY and now > instance.since + _STEADY_SECONDS:
        fleet.failures = 0
    # The first one is replaced at once; one that fails again and again must not keep the machine busy.
    fleet.retry_at = now + (min(2.0**fleet.failures, _LONGEST_WAIT) if fleet.failures else 0.0)
    fleet.failures += 1
    fleet.reason = finding.problem


def scale(
    state: EndpointState, now: float, *, make: Callable[[Fleet, float], Instance] | None = None
) -> None:
    """Bring each fleet nearer to its number of instances: `make` names a new one."""
    for deployment in state.deployments:
        for fleet in deployment.fleets:
            lasting = [one for one in fleet.instances if one.phase in (NEW, STARTING, READY)]
            if len(lasting) > fleet.desired:
                _retire(lasting, len(lasting) - fleet.desired, now)
            elif now >= fleet.retry_at:
                for _ in range(fleet.desired - len(lasting)):
                    fleet.instances.append((make or new_instance)(fleet, now))


def _retire(instances: list[Instance], count: int, now: float) -> None:
    """Let those go that serve least: the ones that are not ready, then the newest."""
    order = sorted(instances, key=lambda one: (one.phase == READY, -one.since))
    for instance in order[:count]:
        # What was never in traffic has nothing to drain.
        instance.phase = DRAINING if instance.phase == READY else STOPPING
        instance.since = now


def new_instance(fleet: Fleet, now: float) -> Instance:
    """Return a new instance: a name, and a free port for each container."""
    return Instance(f"i-{uuid4().hex[:17]}", [free_port() for _ in fleet.containers], since=now)
