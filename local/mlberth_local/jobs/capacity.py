"""The capacity of the machine, and the part of it that a job takes: CPUs and memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlberth.contract.resources import cpu_count, memory_limit
from mlberth_local.engines.base import Limits

CPUS, MEMORY, LIMITS = "MLBERTH_CPUS", "MLBERTH_MEMORY_GB", "MLBERTH_INSTANCE_LIMITS"
_GB = 1024**3
_SIZES = {"medium": 1, "large": 2, "xlarge": 4}
"""CPUs of an instance; `Nxlarge` has N times those of `xlarge`."""
_GB_FOR_EACH_CPU = {"t": 4, "m": 4, "c": 2, "r": 8, "p": 8, "g": 4, "x": 16, "i": 8, "trn": 8, "inf": 4}
_NAME = re.compile(r"ml\.([a-z]+)[0-9a-z]*\.(\d*)(medium|large|xlarge)")


@dataclass(frozen=True)
class Demand:
    """What a job takes while it runs."""

    cpus: float
    memory: int = 0
    """In bytes."""


@dataclass(frozen=True)
class Capacity:
    """What there is, and whether an instance type stands for a part of it."""

    cpus: float
    memory: int
    """In bytes."""
    has_limits: bool = False

    def demand(self, instances: Iterable[tuple[str, int]]) -> Demand:
        """Return what a job with instances of some types takes.

        Without limits a host counts as one CPU, since nobody knows what it uses.
        """
        if not self.has_limits:
            return Demand(float(sum(count for _, count in instances)))
        limits = [(self.limits(kind), count) for kind, count in instances]
        return Demand(
            sum(one.cpus * count for one, count in limits), sum(one.memory * count for one, count in limits)
        )

    def limits(self, instance_type: str) -> Limits:
        """Return the part of the machine that an instance type stands for: its size, at most all there is."""
        found = _NAME.fullmatch(instance_type)
        if not found:  # `local` is all of it
            return Limits(self.cpus, self.memory)
        family, times, size = found.groups()
        cpus = _SIZES[size] * int(times or 1)
        memory = cpus * _GB_FOR_EACH_CPU.get(family, 4) * _GB
        return Limits(min(float(cpus), self.cpus), min(memory, self.memory))

    def has_room(self, running: Iterable[Demand], wanted: Demand) -> bool:
        """Return whether a job may start beside those that run; alone it always may."""
        taken = list(running)
        cpus = sum(one.cpus for one in taken) + wanted.cpus
        memory = sum(one.memory for one in taken) + wanted.memory
        return not taken or (cpus <= self.cpus and memory <= self.memory)


def read_capacity(environ: Mapping[str, str]) -> Capacity:
    """Return the capacity that the variables name, or the machine's. Raises ValueError that names them."""
    faults, values = [], {}
    for name, default in ((CPUS, float(cpu_count())), (MEMORY, memory_limit() / _GB)):
        values[name] = _number(environ.get(name) or str(default))
        if not values[name] > 0:
            faults.append(f"{name} is {environ[name]!r}; expected a number above 0")
    switch = environ.get(LIMITS, "").lower()
    if switch not in ("", "true", "false"):
        faults.append(f"{LIMITS} is {environ[LIMITS]!r}; expected true or false")
    if faults:
        raise ValueError("; ".join(faults))
    return Capacity(values[CPUS], int(values[MEMORY] * _GB), switch == "true")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def instances(resource_config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the instance types of a ResourceConfig or ClusterConfig, and how many of each."""
    groups = resource_config.get("InstanceGroups") or [resource_config]
    return [(group.get("InstanceType", "local"), group.get("InstanceCount", 1)) for group in groups]
