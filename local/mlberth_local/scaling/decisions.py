"""Decisions: the number of instances that the policies of a target ask for now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mlberth_local.alarms.alarms import KIND as ALARM_KIND
from mlberth_local.alarms.alarms import Alarms
from mlberth_local.alarms.definition import Definition
from mlberth_local.alarms.evaluation import ALARM, Datapoint, breaches
from mlberth_local.errors import ServiceError
from mlberth_local.scaling.policies import (
    DEFAULT_COOLDOWN_MINUTES,
    PERIODS_IN,
    PERIODS_OUT,
    stepped_count,
    tracked_count,
)
from mlberth_local.scaling.records import Target
from mlberth_local.store.resources import NoSuchResourceError, Resource


@dataclass(frozen=True)
class Decision:
    """A number of instances, and why."""

    count: int
    cause: str


@dataclass(frozen=True)
class Situation:
    """A target at one moment."""

    target: Target
    current: int
    """Its number of instances."""
    now: float
    minute: float
    """How long a minute of scaling is, in seconds."""

    def within(self, count: int) -> int:
        """Return a number of instances within the target's limits."""
        return min(max(count, self.target.least), self.target.most)

    def is_suspended(self, name: str) -> bool:
        """Return whether a part of the scaling is suspended."""
        return self.target.suspended.get(name, False)

    def cooldown(self, config: dict[str, Any], name: str) -> float:
        """Return how long to wait after a change, in seconds; five minutes unless the policy says."""
        given = config.get(name)
        return self.minute * DEFAULT_COOLDOWN_MINUTES if given is None else float(given)


def by_bounds(situation: Situation) -> Decision | None:
    """Return the limit that a target is beyond of, if it is."""
    target, current = situation.target, situation.current
    if current < target.least:
        return Decision(target.least, f"minimum capacity was set to {target.least}")
    if current > target.most:
        return Decision(target.most, f"maximum capacity was set to {target.most}")
    return None


def by_policies(situation: Situation, policies: Iterable[Resource], alarms: Alarms) -> Decision | None:
    """Return the largest number that any policy asks for; fewer instances only if all policies say so."""
    tracking: list[Resource] = []
    stepping: list[Resource] = []
    for policy in policies:
        is_step = policy.state["definition"].get("StepScalingPolicyConfiguration")
        (stepping if is_step else tracking).append(policy)
    outs: list[Decision] = []
    if not situation.is_suspended("DynamicScalingOutSuspended"):
        outs += _tracked_out(situation, tracking, alarms)
    steps = list(_stepped(situation, stepping, alarms))
    if not situation.is_suspended("DynamicScalingOutSuspended"):
        outs += [step for step in steps if step.count > situation.current]
    if outs:
        return max(outs, key=lambda one: one.count)
    if situation.is_suspended("DynamicScalingInSuspended"):
        return None
    ins = [step for step in steps if step.count < situation.current]
    ins += _tracked_in(situation, tracking, alarms)
    return max(ins, key=lambda one: one.count) if ins else None


def _tracked_out(situation: Situation, policies: list[Resource], alarms: Alarms) -> Iterator[Decision]:
    for policy in policies:
        config = policy.state["definition"]["TargetTrackingScalingPolicyConfiguration"]
        name = policy.state["alarms"]["high"]
        wait = situation.cooldown(config, "ScaleOutCooldown")
        if situation.now < situation.target.last_out + wait or not alarms.is_firing(name):
            continue
        point = _newest(alarms, name)
        if point is None or point.value is None or point.start < situation.target.changed:
            continue
        count = situation.within(tracked_count(situation.current, point.value, config["TargetValue"]))
        if count > situation.current:
            yield Decision(count, _cause(name, policy))


def _tracked_in(situation: Situation, policies: list[Resource], alarms: Alarms) -> list[Decision]:
    """Return the numbers of all policies if each of them says that there are too many instances."""
    found = []
    for policy in policies:
        config = policy.state["definition"]["TargetTrackingScalingPolicyConfiguration"]
        name = policy.state["alarms"].get("low")
        if name is None:
            continue
        wait = situation.cooldown(config, "ScaleInCooldown")
        # Missing values are too few, too: they count from when there was a policy to look at them.
        earliest = max(
            situation.target.last_in + wait,
            policy.state["updated"] + PERIODS_IN * situation.minute,
            situation.target.changed + PERIODS_OUT * situation.minute,
        )
        if situation.now < earliest or not alarms.is_firing(name):
            return []
        # The last minutes must not have needed more.
        value = max((point.value or 0.0 for point in _points(alarms, name)[-PERIODS_OUT:]), default=0.0)
        count = situation.within(tracked_count(situation.current, value, config["TargetValue"]))
        found.append(Decision(count, _cause(name, policy)))
    return [one for one in found if max(found, key=lambda one: one.count).count < situation.current]


def _stepped(situation: Situation, policies: list[Resource], alarms: Alarms) -> Iterator[Decision]:
    """Yield what the steps of the alarms say that are in ALARM and name a policy as their action."""
    for policy in policies:
        config = policy.state["definition"]["StepScalingPolicyConfiguration"]
        for alarm in alarms.resources.unfinished(ALARM_KIND):
            definition = alarm.state["definition"]
            enabled = definition.get("ActionsEnabled") is not False
            if alarm.status == ALARM and enabled and policy.arn in (definition.get("AlarmActions") or []):
                breach = _breach(alarms, definition)
                if (decision := _step(situation, config, breach, _cause(alarm.name, policy))) is not None:
                    yield decision


def _step(situation: Situation, config: dict[str, Any], breach: float, cause: str) -> Decision | None:
    target, current = situation.target, situation.current
    # An alarm says again and again that it is in ALARM, once a minute.
    wait = max(situation.cooldown(config, "Cooldown"), situation.minute)
    count = situation.within(stepped_count(current, breach, config))
    if count < current:
        return Decision(count, cause) if situation.now >= target.last_in + wait else None
    if situation.now < target.last_out + wait:
        # In the cooldown of a scale-out only what a larger step adds to it is added.
        count = situation.within(stepped_count(target.base, breach, config))
    return Decision(count, cause) if count > current else None


def _breach(alarms: Alarms, definition: Definition) -> float:
    """Return how far the metric is beyond the threshold; 0 if the state was set by hand."""
    try:
        points = alarms.observe(definition)
    except ServiceError:
        return 0.0
    operator = definition["ComparisonOperator"]
    known = [point for point in points if point.value is not None]
    if not known or not breaches(operator, known[-1]):
        return 0.0
    point = known[-1]
    assert point.value is not None
    return point.value - (point.upper if point.value > point.lower else point.lower)


def _newest(alarms: Alarms, name: str) -> Datapoint | None:
    """Return the newest value that an alarm sees; None if there is none."""
    return next((point for point in reversed(_points(alarms, name)) if point.value is not None), None)


def _points(alarms: Alarms, name: str) -> list[Datapoint]:
    try:
        return alarms.observe(alarms.resources.get(ALARM_KIND, name).state["definition"])
    except (NoSuchResourceError, ServiceError):
        return []


def _cause(alarm: str, policy: Resource) -> str:
    name = policy.name.partition("|")[2]
    return f"monitor alarm {alarm} in state ALARM triggered policy {name}"
