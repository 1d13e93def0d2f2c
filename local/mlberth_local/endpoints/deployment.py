"""Deployments: the stages that bring an endpoint from one configuration to another.

    creating, updating: launching ──► shifting ──► ending ──► at rest
                            └───────► failing ──► at rest on what was there before, or Failed
    weights, numbers of instances: scaling ──► at rest
    after `down` and `up`: resuming ──► at rest
    deleting ──► gone

A stage is a function of the record: it is called again and again until it has entered another one, and what
it has changed is committed before any of it happens. Traffic follows `Deployment.share`, instances follow
`Fleet.desired`; others see to that, so a stage can wait for both with `is_whole` and `is_gone`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlberth_local.endpoints.record import Deployment, EndpointState
from mlberth_local.store.resources import Resource

Stage = Callable[[Resource, EndpointState, float], None]
LAUNCHING, SHIFTING, ENDING = "launching", "shifting", "ending"
FAILING, SCALING, RESUMING, DELETING = "failing", "scaling", "resuming", "deleting"
IN_SERVICE, FAILED = "InService", "Failed"
CREATING, UPDATING, SYSTEM_UPDATING = "Creating", "Updating", "SystemUpdating"
ROLLING_BACK, DELETING_STATUS = "RollingBack", "Deleting"
IN_PROGRESS = frozenset({CREATING, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, DELETING_STATUS})


def advance(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Go on with what is being done to an endpoint."""
    if state.stage:
        STAGES[state.stage](endpoint, state, now)


def is_at_rest(endpoint: Resource, state: EndpointState) -> bool:
    """Whether nothing has to be done before something else happens."""
    return endpoint.finished or (not state.stage and all(one.is_whole for one in state.deployments))


def begin(endpoint: Resource, state: EndpointState, new: Deployment, now: float) -> None:
    """Begin with a deployment: the first one, or one that follows another."""
    state.reason = ""
    state.deployments.append(new)
    state.enter(LAUNCHING, now)
    endpoint.status = UPDATING if state.serving else CREATING
    state.note(endpoint.status, f"Starting the instances of {new.config_name}", now)


def begin_scaling(
    endpoint: Resource,
    state: EndpointState,
    changes: Mapping[str, tuple[float | None, int | None]],
    now: float,
) -> None:
    """Begin to change weights and numbers of instances of some variants; None leaves one as it is."""
    state.reason = ""
    [serving] = state.deployments
    for fleet in serving.fleets:
        weight, desired = changes.get(fleet.variant, (None, None))
        state.before[fleet.variant] = (fleet.weight, fleet.desired)
        fleet.weight = fleet.weight if weight is None else weight
        fleet.desired = fleet.desired if desired is None else desired
        # What was wrong before says nothing about what begins now.
        fleet.reason, fleet.failures, fleet.retry_at = "", 0, 0.0
    state.enter(SCALING, now)
    endpoint.status = UPDATING
    state.note(UPDATING, "Changing weights and numbers of instances", now)


def begin_deleting(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Begin to end an endpoint."""
    endpoint.status, endpoint.finished = DELETING_STATUS, False
    state.enter(DELETING, now)
    state.note(endpoint.status, "", now)


def _launch(_: Resource, state: EndpointState, now: float) -> None:
    """Wait for the new fleets; the old ones serve meanwhile."""
    new = _pending(state)
    if new.reason:
        state.reason = new.reason
        state.enter(FAILING, now)
    elif new.is_whole:
        state.enter(SHIFTING, now)


def _shift(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Let all traffic go to the new fleets."""
    new, old = _pending(state), state.serving
    new.share = 1.0
    if old:
        old.share = 0.0
    state.note(endpoint.status, f"All traffic goes to {new.config_name}", now)
    state.enter(ENDING, now)


def _end(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Let the old instances go, and wait for their last requests."""
    *old, new = state.deployments
    for deployment in old:
        deployment.retire()
    if all(deployment.is_gone for deployment in old):
        state.deployments = [new]
        _rest(endpoint, state, now)


def _fail(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Give up the new fleets; what served before serves on."""
    new = _pending(state)
    new.retire()
    if not new.is_gone:
        return
    state.deployments.remove(new)
    if state.deployments:
        _rest(endpoint, state, now)
    else:
        endpoint.status, endpoint.finished = FAILED, True
        state.enter("", now)
        state.note(FAILED, state.reason, now)


def _scale(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Wait until each fleet has its number of instances; if one cannot, all is as it was before."""
    serving = state.deployments[0]
    if serving.reason:
        state.reason = serving.reason
        for fleet in serving.fleets:
            fleet.weight, fleet.desired = state.before.get(fleet.variant, (fleet.weight, fleet.desired))
            fleet.reason = ""
        state.before = {}
    if serving.is_whole:
        state.before = {}
        _rest(endpoint, state, now)


def _resume(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Wait for the instances that were stopped with the platform."""
    if all(deployment.is_whole for deployment in state.deployments):
        _rest(endpoint, state, now)


def _delete(_: Resource, state: EndpointState, __: float) -> None:
    """Let all instances go."""
    for deployment in state.deployments:
        deployment.retire()
    state.deployments = [one for one in state.deployments if not one.is_gone]


def _rest(endpoint: Resource, state: EndpointState, now: float) -> None:
    endpoint.status = IN_SERVICE
    state.enter("", now)
    state.note(IN_SERVICE, state.reason, now)


def _pending(state: EndpointState) -> Deployment:
    new = state.pending
    assert new, "only a deployment that is being made has these stages"
    return new


STAGES: Mapping[str, Stage] = {
    LAUNCHING: _launch,
    SHIFTING: _shift,
    ENDING: _end,
    FAILING: _fail,
    SCALING: _scale,
    RESUMING: _resume,
    DELETING: _delete,
}
