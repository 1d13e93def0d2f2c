"""resourceconfig.json: which hosts take part, and which one this is; without it, the engine's variables.

Source: the training contract, and sagemaker-training-toolkit's reading of it: the order of the file
is the order of the ranks, and the first host is the leader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import TYPE_CHECKING, NamedTuple, OnDemand, typing
from mlberth.contract.json_files import read_object
from mlberth.contract.resources import count_visible, gpu_count
from mlberth.engines import Machine, may_be_named
from mlberth.errors import ContractError, Fault

# Most jobs have the file, or one host.
if TYPE_CHECKING:
    from mlberth.engines import choice
    from mlberth.engines import found as engine
else:
    choice = OnDemand("mlberth.engines.choice")
    engine = OnDemand("mlberth.engines.found")

EXPORTED = "SM_RESOURCE_CONFIG"
"""The variable by which `train` hands the hosts to its program."""
DEFAULT_GROUP = "homogeneousCluster"


class Hosts(NamedTuple):
    """The cluster as seen from one of its hosts."""

    current: str
    names: list[str]
    network_interface: str
    instance_type: str
    group: str
    groups: dict[str, dict[str, typing.Any]]
    """Instance groups by name, each with `instance_group_name`, `instance_type` and `hosts`."""
    topology: typing.Any
    """The platform's network topology, if it gives one."""
    raw: dict[str, typing.Any]
    """The file as it is."""
    found: engine.Found | None = None
    """What an engine's variables say, if they are where the hosts come from."""

    @property
    def source(self) -> str:
        """Where the hosts come from, for messages."""
        return ", ".join(dict.fromkeys(self.found.variables)) if self.found else "resourceconfig.json, hosts"

    @property
    def rank(self) -> int:
        """This host's position in `names`, from 0."""
        return self.names.index(self.current)

    @property
    def reachable(self) -> list[str]:
        """The hosts whose names the network must know; a single one has no other to find."""
        if len(self.names) == 1:
            return []
        if self.found is None or self.found.names:
            return list(self.names)
        return [self.found.leader] if self.found.leader else []

    @property
    def group_hosts(self) -> list[str]:
        """The hosts of this host's instance group; all hosts, if the file has no groups."""
        if not self.groups:
            return list(self.names)
        return list(self.groups[self.group]["hosts"]) if self.group in self.groups else []


def read_hosts(path: Path, environ: Mapping[str, str] | None = None, *, engines: bool = False) -> Hosts:
    """Read resourceconfig.json; without the file the hosts are those that `train` hands to its program.

    With `engines`, as for `train` itself, they are those of an engine's variables in `environ`. Without any
    of these this machine is the only host. Raises ContractError that lists every faulty field or variable.
    """
    raw, found = read_object(path, default={}), None
    if not raw and environ:
        raw = _exported(environ)
        # Not in a program, which sets such variables for its own processes.
        if engines and not raw and may_be_named(environ):
            gpus = count_visible(environ.get("CUDA_VISIBLE_DEVICES"), gpu_count())
            machine = Machine(os.uname().nodename, gpus)
            if found := choice.find_engine(environ, machine):
                names = choice.host_names(found, machine)
                raw = {"current_host": names[found.host], "hosts": names}
    if not raw:
        name = os.uname().nodename
        raw = {"current_host": name, "hosts": [name]}
    faults = list(_faults(str(path), raw))
    if faults:
        raise ContractError(*faults)
    return Hosts(
        current=raw["current_host"],
        names=list(raw["hosts"]),
        network_interface=raw.get("network_interface_name", "eth0"),
        instance_type=raw.get("current_instance_type", "local"),
        group=raw.get("current_group_name", DEFAULT_GROUP),
        groups={group["instance_group_name"]: group for group in raw.get("instance_groups") or []},
        topology=raw.get("topology"),
        raw=raw,
        found=found,
    )


def _exported(environ: Mapping[str, str]) -> dict[str, typing.Any]:
    try:
        raw = json.loads(environ.get(EXPORTED) or "{}")
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _faults(path: str, raw: Mapping[str, typing.Any]) -> list[Fault]:
    faults = []
    hosts = raw.get("hosts")
    current = raw.get("current_host")
    if not _is_list_of_names(hosts):
        faults.append(Fault(f"{path}, hosts", repr(hosts), "a list of host names, at least one"))
    elif len(set(hosts)) != len(hosts):
        faults.append(Fault(f"{path}, hosts", repr(hosts), "each host name once"))
    elif current not in hosts:
        faults.append(Fault(f"{path}, current_host", repr(current), f"one of {', '.join(hosts)}"))
    faults += [
        Fault(f"{path}, {name}", repr(raw[name]), "text")
        for name in ("network_interface_name", "current_instance_type", "current_group_name")
        if not isinstance(raw.get(name, ""), str)
    ]
    groups = raw.get("instance_groups") or []
    if not isinstance(groups, list) or not all(_is_group(group) for group in groups):
        expected = "a list of objects with instance_group_name, instance_type and hosts"
        faults.append(Fault(f"{path}, instance_groups", repr(groups), expected))
    return faults


def _is_list_of_names(value: object) -> typing.TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) and name for name in value)


def _is_group(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("instance_group_name"), str)
        and _is_list_of_names(value.get("hosts"))
    )
