"""The instances that take asynchronous requests, and how many each may have."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlberth_local.endpoints.instances import host_names
from mlberth_local.endpoints.record import READY, EndpointState

DEFAULT_CONCURRENCY = 4
"""Of an endpoint that does not say; the platform chooses a number of its own."""


@dataclass(frozen=True)
class Place:
    """An instance, as far as a request needs to know it."""

    variant: str
    name: str
    ports: tuple[int, ...]
    containers: tuple[str, ...]
    weight: float


def places(state: EndpointState) -> list[Place]:
    """Return the instances that take requests now."""
    found = []
    for deployment in state.deployments:
        for fleet in deployment.fleets:
            weight = deployment.share * fleet.weight
            ready = [one for one in fleet.instances if one.phase == READY and not one.problem]
            found += [
                Place(
                    fleet.variant, one.name, tuple(one.ports), tuple(host_names(fleet)), weight / len(ready)
                )
                for one in ready
                if weight > 0 and not fleet.shadow
            ]
    return found


def configuration(state: EndpointState) -> Mapping[str, Any]:
    """Return the `AsyncInferenceConfig` of an endpoint's newest deployment; empty if it has none."""
    if not state.deployments:
        return {}
    return state.deployments[-1].config.get("AsyncInferenceConfig") or {}


def concurrency(state: EndpointState) -> int:
    """Return how many requests an instance has at once."""
    found = (configuration(state).get("ClientConfig") or {}).get("MaxConcurrentInvocationsPerInstance")
    return int(found or DEFAULT_CONCURRENCY)


def choose(
    found: list[Place], busy: Counter[str], most: int, chance: Callable[[], float] = random.random
) -> Place | None:
    """Return the instance that takes the next request: a variant by its weight, of those that have room."""
    free = [place for place in found if busy[place.name] < most]
    if not free:
        return None
    weights: dict[str, float] = {}
    for place in free:
        weights[place.variant] = weights.get(place.variant, 0.0) + place.weight
    point, chosen = chance() * sum(weights.values()), free[-1].variant
    for variant, weight in weights.items():
        point -= weight
        if point < 0:
            chosen = variant
            break
    return min((one for one in free if one.variant == chosen), key=lambda one: busy[one.name])
