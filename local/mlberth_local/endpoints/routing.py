"""The gateway's table, made of the records of endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlberth_local.endpoints.deployment import DELETING
from mlberth_local.endpoints.instances import host_names, in_table, log_group, run_name
from mlberth_local.endpoints.multi_model import model_store, multi_model_place
from mlberth_local.endpoints.record import READY, Deployment, EndpointState, Fleet, Instance
from mlberth_local.gateway import table

Instances = Callable[[Fleet], tuple[table.Instance, ...]]
"""Returns the instances of a fleet that get requests."""


@dataclass(frozen=True)
class Trees:
    """Where the trees of an endpoint's runs are."""

    runs: Path
    in_containers: bool


def takes_requests(state: EndpointState) -> bool:
    """Return whether an endpoint answers."""
    return bool(_active(state))


def _active(state: EndpointState) -> list[Deployment]:
    return [one for one in state.deployments if one.share > 0 and state.stage != DELETING]


def route(name: str, state: EndpointState, log_arn: str, trees: Trees) -> table.Endpoint | None:
    """Return an endpoint as the gateway has to know it; None if it does not answer."""
    active = _active(state)
    if not active:
        return None
    return table.Endpoint(
        name,
        f"{log_arn}{log_group(name)}",
        _variants(active, partial(_instances, name, trees)),
        _shadows(active, partial(_instances, name, trees)),
        direct=any(fleet.direct for one in active for fleet in one.fleets),
        asynchronous=any("AsyncInferenceConfig" in one.config for one in active),
        capture=_capture(active[-1].config.get("DataCaptureConfig") or {}),
    )


def _variants(deployments: list[Deployment], instances: Instances) -> tuple[table.Variant, ...]:
    """Return the variants of deployments that share the traffic.

    A variant's part is the sum of those that it has in each deployment, and so are its fleets' shares.
    """
    found: dict[str, list[tuple[Deployment, Fleet, float]]] = {}
    for deployment in deployments:
        fleets = [fleet for fleet in deployment.fleets if not fleet.shadow]
        total = sum(fleet.weight for fleet in fleets)
        for fleet in fleets:
            part = deployment.share * fleet.weight / total if total else 0.0
            found.setdefault(fleet.variant, []).append((deployment, fleet, part))
    return tuple(_variant(name, parts, instances) for name, parts in found.items())


def _shadows(deployments: list[Deployment], instances: Instances) -> tuple[table.Variant, ...]:
    """Return the shadow variants of deployments: each gets copies of its own deployment's requests.

    The part of them is its weight over the sum of the production variants' weights. Source: the platform.
    """
    found: dict[str, list[tuple[Deployment, Fleet, float]]] = {}
    for deployment in deployments:
        total = sum(fleet.weight for fleet in deployment.fleets if not fleet.shadow)
        for fleet in deployment.fleets:
            if fleet.shadow:
                part = deployment.share * min(1.0, fleet.weight / total) if total else 0.0
                found.setdefault(fleet.variant, []).append((deployment, fleet, part))
    return tuple(_variant(name, parts, instances) for name, parts in found.items())


def _capture(config: Mapping[str, Any]) -> table.Capture | None:
    if not config.get("EnableCapture"):
        return None
    modes = {one["CaptureMode"] for one in config["CaptureOptions"]}
    types = config.get("CaptureContentTypeHeader") or {}
    return table.Capture(
        config["DestinationS3Uri"],
        config["InitialSamplingPercentage"],
        bool(modes & {"Input", "InputAndOutput"}),
        bool(modes & {"Output", "InputAndOutput"}),
        tuple(one.lower() for one in types.get("CsvContentTypes") or ()),
        tuple(one.lower() for one in types.get("JsonContentTypes") or ()),
    )


def _variant(name: str, parts: list[tuple[Deployment, Fleet, float]], instances: Instances) -> table.Variant:
    weight = sum(part for _, _, part in parts)
    shares = sum(deployment.share for deployment, _, _ in parts)
    newest = parts[-1][1]
    return table.Variant(
        name,
        weight,
        tuple(
            table.Fleet(
                deployment.config_name,
                instances(fleet),
                # Of a variant with weight 0, requests that name it follow the deployments' shares.
                part / weight if weight else deployment.share / shares,
            )
            for deployment, fleet, part in parts
        ),
        tuple(host_names(newest)),
        max_concurrency=(newest.plan.get("ServerlessConfig") or {}).get("MaxConcurrency"),
        multi_model=any(multi_model_place(fleet.containers) is not None for _, fleet, _ in parts),
    )


def _instances(name: str, trees: Trees, fleet: Fleet) -> tuple[table.Instance, ...]:
    place = multi_model_place(fleet.containers)
    return tuple(
        in_table(one, None if place is None else _models(name, trees, fleet, one, place))
        for one in fleet.instances
        if one.phase == READY
    )


def _models(name: str, trees: Trees, fleet: Fleet, instance: Instance, place: int) -> table.ModelStore:
    base = trees.runs / run_name(name, instance.name, place + 1)
    return model_store(fleet.containers[place], place, base, in_containers=trees.in_containers)
