"""The gateway's table, made of the records of endpoints."""

from __future__ import annotations

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
        _variants(active, shadow=False),
        _variants(active, shadow=True),
        direct=any(fleet.direct for one in active for fleet in one.fleets),
        asynchronous=any("AsyncInferenceConfig" in one.config for one in active),
    )


def _variants(deployments: list[Deployment], *, shadow: bool) -> tuple[table.Variant, ...]:
    """Return the variants of deployments that share the traffic.

    A variant's part is the sum of those that it has in each deployment, and so are its fleets' shares.
    """
    found: dict[str, list[tuple[Deployment, Fleet, float]]] = {}
    for deployment in deployments:
        fleets = [fleet for fleet in deployment.fleets if fleet.shadow == shadow]
        total = sum(fleet.weight for fleet in fleets)
        for fleet in fleets:
            part = deployment.share * fleet.weight / total if total else 0.0
            found.setdefault(fleet.variant, []).append((deployment, fleet, part))
    return tuple(_variant(name, parts) for name, parts in found.items())


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
        multi_model=newest.containers[0].get("Mode") == "MultiModel",
    )


def _instances(fleet: Fleet) -> tuple[table.Instance, ...]:
    return tuple(in_table(one) for one in fleet.instances if one.phase == READY)
