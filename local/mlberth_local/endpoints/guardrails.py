"""Guardrails: the steps in which traffic and instances go from one deployment to the next, and its alarms.

Everything here follows from a `DeploymentConfig` of the platform's API, which it calls deployment guardrails.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = "MaximumExecutionTimeoutInSeconds"
_PERCENT = "CAPACITY_PERCENT"
_BLUE_GREEN, _ROLLING, _ROUTING = (
    "BlueGreenUpdatePolicy",
    "RollingUpdatePolicy",
    "TrafficRoutingConfiguration",
)
_BOUNDS = {"CanarySize": (0, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}
"""Of each size: more or as much as this, and at most that, in percent of all instances."""
_NEARLY = 1e-9


@dataclass(frozen=True)
class Step:
    """One shift of traffic to the new deployment, and what comes before and after it. Parts are 0 to 1."""

    new: float
    """The part of its instances that the new deployment has to have before."""
    share: float
    """Its part of the traffic from then on."""
    old: float
    """The part of its instances that the old deployment keeps after the wait."""
    wait: float
    """How many seconds alarms have to say that something is wrong."""


def steps(config: Mapping[str, Any] | None, instances: int) -> tuple[Step, ...]:
    """Return the steps of a deployment; `instances` is how many the new one has at the end."""
    if rolling := (config or {}).get(_ROLLING):
        batch, wait = part_of(rolling["MaximumBatchSize"], instances), rolling["WaitIntervalInSeconds"]
        return tuple(Step(part, part, 1 - part, wait) for part in _parts(batch))
    blue_green = (config or {}).get(_BLUE_GREEN) or {}
    routing = blue_green.get(_ROUTING) or {"Type": "ALL_AT_ONCE"}
    last = blue_green.get("TerminationWaitInSeconds") or 0
    if routing["Type"] == "CANARY":
        canary = part_of(routing["CanarySize"], instances)
        return Step(1, canary, 1, routing["WaitIntervalInSeconds"]), Step(1, 1, 0, last)
    if routing["Type"] == "LINEAR":
        wait = routing["WaitIntervalInSeconds"]
        parts = _parts(part_of(routing["LinearStepSize"], instances))
        return tuple(Step(1, part, 1 - part, wait + (last if part == 1 else 0)) for part in parts)
    return (Step(1, 1, 0, last),)


def _parts(step: float) -> Iterator[float]:
    number = math.ceil(1 / step - _NEARLY)
    yield from (min(1.0, step * one) if one < number else 1.0 for one in range(1, number + 1))


def part_of(size: Mapping[str, Any], instances: int) -> float:
    """Return a size, in instances or percent, as a part of all instances: 0 to 1."""
    whole = 100 if size["Type"] == _PERCENT else max(1, instances)
    return float(min(1.0, size["Value"] / whole))


def count(part: float, instances: int) -> int:
    """Return a part of some instances; capacity is never less than the part asks for."""
    return math.ceil(instances * part - _NEARLY)


def rollback_batch(config: Mapping[str, Any] | None, instances: int) -> float:
    """Return the part of the old instances that comes back at once in a rollback."""
    size = ((config or {}).get(_ROLLING) or {}).get("RollbackMaximumBatchSize")
    return part_of(size, instances) if size else 1.0


def alarms(config: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the alarms that end a deployment."""
    found = ((config or {}).get("AutoRollbackConfiguration") or {}).get("Alarms") or []
    return [alarm["AlarmName"] for alarm in found if alarm.get("AlarmName")]


def longest(config: Mapping[str, Any] | None) -> float:
    """Return how many seconds a deployment may take."""
    policies = ((config or {}).get(name) or {} for name in (_BLUE_GREEN, _ROLLING))
    return float(next((one[_LONGEST] for one in policies if one.get(_LONGEST)), math.inf))


def faults(config: Mapping[str, Any] | None, instances: int) -> Iterator[str]:
    """Yield what is wrong with a `DeploymentConfig` for an endpoint of so many instances."""
    if not config:
        return
    blue_green, rolling = config.get(_BLUE_GREEN), config.get(_ROLLING)
    if blue_green and rolling:
        yield f"DeploymentConfig: {_BLUE_GREEN} and {_ROLLING} exclude each other"
        return
    found = [*_routing_faults(blue_green[_ROUTING], instances)] if blue_green else []
    if rolling:
        found += _bound_faults("MaximumBatchSize", rolling["MaximumBatchSize"], instances)
    yield from found
    if found:
        return
    waits = sum(step.wait for step in steps(config, instances))
    if waits > longest(config):
        yield f"DeploymentConfig: the waits add up to {waits:g} s, and {_LONGEST} is {longest(config):g}"


def _routing_faults(routing: Mapping[str, Any], instances: int) -> Iterator[str]:
    needed = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(routing["Type"])
    for name in ("CanarySize", "LinearStepSize"):
        size = routing.get(name)
        if size and name != needed:
            yield f"DeploymentConfig: {name} has no place in {routing['Type']}"
        elif size:
            yield from _bound_faults(name, size, instances)
        elif name == needed:
            yield f"DeploymentConfig: {name} is required for {routing['Type']}"


def _bound_faults(name: str, size: Mapping[str, Any], instances: int) -> Iterator[str]:
    low, high = _BOUNDS[name]
    whole = 100 if size["Type"] == _PERCENT else max(1, instances)
    if not low <= 100 * size["Value"] / whole <= high:
        unit = "%" if size["Type"] == _PERCENT else f"of {instances} instances"
        yield f"DeploymentConfig: {name}: {size['Value']} {unit} must be from {low} % to {high} %"
