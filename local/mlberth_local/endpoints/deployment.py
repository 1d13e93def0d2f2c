"""Deployments: the stages that bring an endpoint from one configuration to another.

    creating, updating: launching ──► baking ──► launching … ──► ending ──► at rest
                            │           └─────► returning ──► at rest on what was there before
                            └───────► failing ──► the same, or Failed
    weights, numbers of instances: scaling ──► at rest
    after `down` and `up`: resuming ──► at rest
    deleting ──► gone

A stage is a function of the record: it is called again and again until it has entered another one, and what
it has changed is committed before any of it happens. Traffic follows `Deployment.share`, instances follow
`Fleet.desired`; others see to that, so a stage can wait for both with `is_whole` and `is_gone`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from mlberth_local.endpoints import guardrails
from mlberth_local.endpoints.record import Deployment, EndpointState
from mlberth_local.store.resources import Resource

Stage = Callable[[Resource, EndpointState, float], None]
LAUNCHING, BAKING, ENDING, RETURNING = "launching", "baking", "ending", "returning"
FAILING, SCALING, RESUMING, DELETING = "failing", "scaling", "resuming", "deleting"
IN_SERVICE, FAILED, ROLLBACK_FAILED = "InService", "Failed", "UpdateRollbackFailed"
CREATING, UPDATING, SYSTEM_UPDATING = "Creating", "Updating", "SystemUpdating"
ROLLING_BACK, DELETING_STATUS = "RollingBack", "Deleting"
IN_PROGRESS = frozenset({CREATING, UPDATING, SYSTEM_UPDATING, ROLLING_BACK, DELETING_STATUS})


def advance(endpoint: Resource, state: EndpointState, now: float, firing: Collection[str] = ()) -> None:
    """Go on with what is being done to an endpoint; `firing` are the alarms that end its deployment."""
    if reason := _reason_to_return(state, now, firing):
        _give_up(endpoint, state, reason, now)
    if state.stage:
        STAGES[state.stage](endpoint, state, now)


def _reason_to_return(state: EndpointState, now: float, firing: Collection[str]) -> str:
    new = state.pending
    if state.stage not in (LAUNCHING, BAKING) or not new:
        return ""
    if firing and new.share > 0:
        return (
            f"Alarms in state ALARM: {', '.join(sorted(firing))}. "
            f"The deployment of {new.config_name} was rolled back."
        )
    limit = guardrails.longest(state.deployment_config)
    if now > new.started + limit:
        return f"The deployment of {new.config_name} took more than {limit:g} s and was rolled back."
    return ""


def _give_up(endpoint: Resource, state: EndpointState, reason: str, now: float) -> None:
    """Begin to go back; what has no traffic yet is only ended."""
    state.reason = reason
    if _pending(state).share > 0 and len(state.deployments) > 1:
        endpoint.status = ROLLING_BACK
        state.note(endpoint.status, reason, now)
        state.enter(RETURNING, now)
    else:
        state.enter(FAILING, now)


def is_at_rest(endpoint: Resource, state: EndpointState) -> bool:
    """Whether nothing has to be done before something else happens."""
    return endpoint.finished or (not state.stage and all(one.is_whole for one in state.deployments))


def begin(
    endpoint: Resource,
    state: EndpointState,
    new: Deployment,
    now: float,
    *,
    config: Mapping[str, object] | None = None,
) -> None:
    """Begin with a deployment: the first one, or one that follows another as `config` says."""
    endpoint.status = UPDATING if state.serving else CREATING
    state.reason, state.step = "", 0
    state.deployment_config = dict(config) if config else None
    for one in state.deployments:
        one.resize(1)
    state.deployments.append(new)
    new.resize(_step(state).new)
    state.enter(LAUNCHING, now)
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


def _step(state: EndpointState) -> guardrails.Step:
    # There is nothing that the first deployment of all could take its traffic from bit by bit.
    config = state.deployment_config if len(state.deployments) > 1 else None
    return guardrails.steps(config, state.deployments[-1].capacity)[state.step]


def _launch(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Wait for the new instances of this step, and then let them have their part of the traffic."""
    new, step = _pending(state), _step(state)
    if new.reason:
        _give_up(endpoint, state, new.reason, now)
    elif new.is_whole:
        new.share = step.share
        for old in state.deployments[:-1]:
            old.share = 1 - step.share
        part = "All traffic" if step.share == 1 else f"{step.share:.0%} of the traffic"
        state.note(endpoint.status, f"{part} goes to {new.config_name}", now)
        state.enter(BAKING, now)


def _bake(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Give the alarms their time; then comes the next step, or the old instances end."""
    new, step = state.deployments[-1], _step(state)
    if now < state.since + step.wait:
        return
    if new.reason and not new.is_whole:
        _give_up(endpoint, state, new.reason, now)
    elif step.share == 1:
        state.enter(ENDING, now)
    else:
        for old in state.deployments[:-1]:
            old.resize(step.old)
        state.step += 1
        new.resize(_step(state).new)
        state.enter(LAUNCHING, now)


def _return(endpoint: Resource, state: EndpointState, now: float) -> None:
    """Let the old instances that have ended come back, in batches, and the traffic with them."""
    old, new = state.deployments
    if not old.is_whole:
        if old.reason and endpoint.status != ROLLBACK_FAILED:
            endpoint.status = ROLLBACK_FAILED
            state.note(endpoint.status, old.reason, now)
        return
    if old.share < old.part:
        old.share, new.share = old.part, 1 - old.part
        state.note(endpoint.status, f"{old.part:.0%} of the traffic goes to {old.config_name}", now)
    if old.part < 1:
        batch = guardrails.rollback_batch(state.deployment_config, old.capacity)
        old.resize(min(1.0, old.part + batch))
        return
    new.retire()
    if new.is_gone:
        state.deployments = [old]
        _rest(endpoint, state, now)


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
    for one in state.deployments:
        one.settle()
    state.enter("", now)
    state.note(IN_SERVICE, state.reason, now)


def _pending(state: EndpointState) -> Deployment:
    new = state.pending
    assert new, "only a deployment that is being made has these stages"
    return new


STAGES: Mapping[str, Stage] = {
    LAUNCHING: _launch,
    BAKING: _bake,
    RETURNING: _return,
    ENDING: _end,
    FAILING: _fail,
    SCALING: _scale,
    RESUMING: _resume,
    DELETING: _delete,
}
