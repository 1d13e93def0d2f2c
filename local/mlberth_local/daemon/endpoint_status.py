"""An endpoint as text: its variants, their instances, and what has happened to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from mlberth.errors import Fault, PlatformError
from mlberth_local.endpoints.instances import host_names
from mlberth_local.endpoints.record import KIND, Deployment, Fleet, state_of
from mlberth_local.store.resources import NoSuchResourceError, Query, Resource, Resources

_MOST_MODELS = 20
"""As many of an instance's models are named."""


def find_endpoint(resources: Resources, name: str) -> Resource:
    """Return an endpoint. Raises `PlatformError` that names the newest there are."""
    try:
        return resources.get(KIND, name)
    except NoSuchResourceError:
        there = ", ".join(one.name for one in resources.list(Query(KIND, limit=5))[0]) or "none"
        fault = Fault(f"endpoint {name}", "there is none of this name", "", f"The newest are: {there}.")
        raise PlatformError(fault) from None


def instances_of(endpoint: Resource) -> str:
    """Return how many instances of an endpoint are ready, and how many there shall be."""
    fleets = [fleet for one in state_of(endpoint).deployments for fleet in one.fleets]
    return f"{sum(fleet.ready for fleet in fleets)}/{sum(fleet.desired for fleet in fleets)}"


def lines(endpoint: Resource, models: Mapping[str, Sequence[str]]) -> list[str]:
    """Return an endpoint's description, line by line; `models` are those that instances have loaded."""
    state = state_of(endpoint)
    found = [f"{endpoint.name}  {endpoint.status}  {state.stage}".rstrip()]
    if state.reason:
        found += ["failure:", *(f"  {line}" for line in state.reason.splitlines())]
    for deployment in state.deployments:
        found.append(f"configuration {deployment.config_name}: {deployment.share:.0%} of the requests")
        for fleet in deployment.fleets:
            found += _variant(deployment, fleet, models)
    found.append("timeline:")
    for entry in state.timeline:
        message = entry["message"].partition("\n")[0]
        found.append(f"  {_time(entry['time'])}  {entry['status']:<14}  {message}".rstrip())
    return found


def _variant(deployment: Deployment, fleet: Fleet, models: Mapping[str, Sequence[str]]) -> Iterator[str]:
    kind = "shadow" if fleet.shadow else "variant"
    total = sum(one.weight for one in deployment.fleets if one.shadow == fleet.shadow)
    weight = f"weight {fleet.weight:g} of {total:g}"
    ready = f"{fleet.ready} of {fleet.desired} instances ready"
    yield f"  {kind} {fleet.variant}: model {fleet.plan['ModelName']}, {weight}, {ready}"
    for instance in fleet.instances:
        ports = ", ".join(str(port) for port in instance.ports)
        yield f"    {instance.name}  {instance.phase} since {_time(instance.since)}, 127.0.0.1:{ports}"
        if instance.problem:
            container = host_names(fleet)[instance.problem_container - 1]
            since = _time(instance.problem_since)
            yield f"      unhealthy since {since}, container {container}: {instance.problem}"
        if instance.name in models:
            yield f"      {_models(models[instance.name])}".rstrip()


def _models(names: Sequence[str]) -> str:
    more = ["…"] if len(names) > _MOST_MODELS else []
    return f"models loaded: {len(names)} " + ", ".join([*names[:_MOST_MODELS], *more])


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
