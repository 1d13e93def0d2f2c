"""The hosts of a job: their names, their instance groups, and resourceconfig.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_GROUP = "homogeneousCluster"


@dataclass(frozen=True)
class Member:
    """One host of a job."""

    name: str
    instance_type: str
    group: str


def members(resource_config: Mapping[str, Any]) -> list[Member]:
    """Return the hosts that a ResourceConfig or ClusterConfig asks for, `algo-1` first."""
    groups = resource_config.get("InstanceGroups") or [
        {**resource_config, "InstanceGroupName": DEFAULT_GROUP},
    ]
    kinds = [
        (group.get("InstanceType", "local"), group["InstanceGroupName"])
        for group in groups
        for _ in range(group.get("InstanceCount", 1))
    ]
    return [Member(f"algo-{number}", *kind) for number, kind in enumerate(kinds, 1)]


def cluster_config(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the member of a job's request that says which instances it has."""
    found: dict[str, Any] | None = request.get("ResourceConfig") or request.get("TransformResources")
    return found or dict(request["ProcessingResources"]["ClusterConfig"])


def spread(gpus: Sequence[str], hosts: Sequence[Member], count: Callable[[str], int]) -> dict[str, list[str]]:
    """Return which GPUs each host of a job gets; `count` says how many an instance type has."""
    left = list(gpus)
    found = {}
    for host in hosts:
        number = count(host.instance_type)
        found[host.name], left = left[:number], left[number:]
    return found


def resource_config(member: Member, hosts: list[Member], network_interface: str) -> dict[str, Any]:
    """Return resourceconfig.json of one host."""
    groups: dict[str, dict[str, Any]] = {}
    for host in hosts:
        group = {"instance_group_name": host.group, "instance_type": host.instance_type, "hosts": []}
        groups.setdefault(host.group, group)["hosts"].append(host.name)
    return {
        "current_host": member.name,
        "current_instance_type": member.instance_type,
        "current_group_name": member.group,
        "hosts": [host.name for host in hosts],
        "instance_groups": list(groups.values()),
        "network_interface_name": network_interface,
    }


def write_json(path: Path, value: object) -> None:
    """Write a file of the contract."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
