"""The hosts of a job: their names, their instance groups, and resourceconfig.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
