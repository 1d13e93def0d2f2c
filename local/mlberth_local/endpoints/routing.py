"""The gateway's table, made of the records of endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth_local.endpoints.deployment import DELETING
from mlberth_local.endpoints.instances import host_names, in_table, log_group
from mlberth_local.endpoints.record import READY, Deployment, EndpointState, Fleet
from mlberth_local.gateway import table


def route(name: str, state: EndpointState, log_arn: str) -> table.Endpoint | None:
    """Return an endpoint as the gateway has to know it; None if it does not answer."""
    active = [one for one in state.deployments if one.share > 0]
    if not active or state.stage == DELETING:
        return None
    return table.Endpoint(
        name,
        f"{log_arn}{log_group(name)}",
        _variants(active),
        _shadows(active),
        direct=any(fleet.direct for one in active for fleet in one.fleets),
        asynchronous=any("AsyncInferenceConfig" in one.config for one in active),
        capture=_capture(active[-1].config.get("DataCaptureConfig") or {}),
    )


def _variants(deployments: list[Deployment]) -> tuple[table.Variant, ...]:
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
    return tuple(_variant(name, parts) for name, parts in found.items())


def _shadows(deployments: list[Deployment]) -> tuple[table.Variant, ...]:
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
    return tuple(_variant(name, parts) for name, parts in found.items())


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


def _variant(name: str, parts: list[tuple[Deployment, Fleet, float]]) -> table.Variant:
    weight = sum(part for _, _, part in parts)
    shares = sum(deployment.share for deployment, _, _ in parts)
    newest = parts[-1][1]
    return table.Variant(
        name,
        weight,
        tuple(
            table.Fleet(
                deployment.config_name,
                _instances(fleet),
                # Of a variant with weight 0, requests that name it follow the deployments' shares.
                part / weight if weight else deployment.share / shares,
            )
            for deployment, fleet, part in parts
        ),
        tuple(host_names(newest)),
        max_concurrency=(newest.plan.get("ServerlessConfig") or {}).get("MaxConcurrency"),
        multi_model=newest.containers[0].get("Mode") == "MultiModel",
    )


def _instances(fleet: Fleet) -> tuple[table.Instance, ...]:
    return tuple(in_table(one) for one in fleet.instances if one.phase == READY)
