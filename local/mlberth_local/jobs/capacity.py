"""The capacity of the machine, and the part of it that a job takes: CPUs, memory and GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlberth.contract.resources import cpu_count, memory_limit
from mlberth_local.engines.base import Limits
from mlberth_local.engines.gpus import read_gpus
from mlberth_local.instance_types import gpu_count

CPUS, MEMORY, LIMITS = "MLBERTH_CPUS", "MLBERTH_MEMORY_GB", "MLBERTH_INSTANCE_LIMITS"
_GB = 1024**3
_SIZES = {"medium": 1, "large": 2, "xlarge": 4}
"""CPUs of an instance; `Nxlarge` has N times those of `xlarge`."""
_GB_FOR_EACH_CPU = {"t": 4, "m": 4, "c": 2, "r": 8, "p": 8, "g": 4, "x": 16, "i": 8, "trn": 8, "inf": 4}
MOST_INSTANCES = 100
"""Of a job or a variant; each is a container, or a process, of this machine."""
_NAME = re.compile(r"ml\.([a-z]+)[0-9a-z]*\.(\d*)(medium|large|xlarge)")


@dataclass(frozen=True)
class Demand:
    """What a job takes while it runs."""

    cpus: float
    memory: int = 0
    """In bytes."""
    gpus: int = 0

    def __add__(self, other: Demand) -> Demand:
        """Return what both take."""
        return Demand(self.cpus + other.cpus, self.memory + other.memory, self.gpus + other.gpus)


@dataclass(frozen=True)
class Capacity:
    """What there is, and whether an instance type stands for a part of it."""

    cpus: float
    memory: int
    """In bytes."""
    has_limits: bool = False
    gpus: tuple[str, ...] = ()
    """The numbers of the GPUs that jobs may have."""

    def demand(self, instances: Sequence[tuple[str, int]]) -> Demand:
        """Return what a job with instances of some types takes.

        Without limits a host counts as one CPU, since nobody knows what it uses. A job that is refused takes
        no GPUs.
        """
        gpus = 0 if self.refusal(instances) else self._gpus_of(instances)
        if not self.has_limits:
            return Demand(float(sum(count for _, count in instances)), gpus=gpus)
        limits = [(self.limits(kind), count) for kind, count in instances]
        return Demand(
            sum(one.cpus * count for one, count in limits),
            sum(one.memory * count for one, count in limits),
            gpus,
        )

    def gpu_count(self, instance_type: str) -> int:
        """Return how many GPUs an instance of a type gets: those of its type, `local_gpu` all of them."""
        if not self.gpus:
            return 0
        return len(self.gpus) if instance_type == "local_gpu" else gpu_count(instance_type)

    def _gpus_of(self, instances: Sequence[tuple[str, int]]) -> int:
        return sum(self.gpu_count(kind) * count for kind, count in instances)

    def refusal(self, instances: Sequence[tuple[str, int]]) -> str:
        """Return why a job could never start: too many hosts, or GPUs; nothing if it can."""
        if text := crowd(instances):
            return text
        wanted = self._gpus_of(instances)
        if wanted <= len(self.gpus):
            return ""
        return (
            f"{_names(instances)} has {wanted} GPUs, and this machine {len(self.gpus)}; choose a smaller "
            "instance type, fewer instances, or a type without GPUs"
        )

    def notice(self, instances: Sequence[tuple[str, int]]) -> str:
        """Return what the user of a job has to know about its GPUs; nothing if it gets what it asks for."""
        asks = any(kind == "local_gpu" or gpu_count(kind) for kind, _ in instances)
        if self.gpus or not asks:
            return ""
        return f"{_names(instances)} has GPUs, and this machine none: it runs on the CPU"

    def limits(self, instance_type: str) -> Limits:
        """Return the part of the machine that an instance type stands for: its size, at most all there is."""
        found = _NAME.fullmatch(instance_type)
        if not found:  # `local` is all of it
            return Limits(self.cpus, self.memory)
        family, times, size = found.groups()
        cpus = _SIZES[size] * int(times or 1)
        memory = cpus * _GB_FOR_EACH_CPU.get(family, 4) * _GB
        return Limits(min(float(cpus), self.cpus), min(memory, self.memory))

    def host_limits(self, instance_type: str) -> Limits | None:
        """Return what a host of a type may use; None if instance types are no limits."""
        return self.limits(instance_type) if self.has_limits else None

    def admitted(self, running: Iterable[Demand], waiting: Iterable[Demand]) -> list[int]:
        """Return the places in the queue of the jobs that may start now.

        What one waits for is kept for it: those behind it have what is left beside that. So a job that waits
        for GPUs does not hold up those that need none, and none waits for ever. One that is too large for the
        machine has it for itself.
        """
        taken: Demand | None = None
        for one in running:
            taken = one if taken is None else taken + one
        found = []
        for place, wanted in enumerate(waiting):
            together = wanted if taken is None else taken + wanted
            has_gpus = not wanted.gpus or together.gpus <= len(self.gpus)
            if taken is None or (self._holds(together) and has_gpus):
                found.append(place)
            elif not self._holds(together):
                break  # those behind it add to what is too much already
            taken = together
        return found

    def _holds(self, demand: Demand) -> bool:
        return demand.cpus <= self.cpus and demand.memory <= self.memory


def crowd(instances: Sequence[tuple[str, int]]) -> str:
    """Return why there cannot be so many instances; nothing if there can."""
    count = sum(count for _, count in instances)
    if count <= MOST_INSTANCES:
        return ""
    return f"{_names(instances)}: found {count} instances; expected at most {MOST_INSTANCES} on one machine"


def read_capacity(environ: Mapping[str, str]) -> Capacity:
    """Return the capacity that the variables name, or the machine's. Raises ValueError that names them."""
    faults, values = [], {}
    for name, default in ((CPUS, float(cpu_count())), (MEMORY, memory_limit() / _GB)):
        values[name] = _number(environ.get(name) or str(default))
        if not values[name] > 0:
            faults.append(f"{name} is {environ[name]!r}; expected a number above 0")
    switch = environ.get(LIMITS, "").lower()
    gpus: tuple[str, ...] = ()
    try:
        gpus = read_gpus(environ)
    except ValueError as error:
        faults.append(str(error))
    if switch not in ("", "true", "false"):
        faults.append(f"{LIMITS} is {environ[LIMITS]!r}; expected true or false")
    if faults:
        raise ValueError("; ".join(faults))
    return Capacity(values[CPUS], int(values[MEMORY] * _GB), switch == "true", gpus)


def _names(instances: Sequence[tuple[str, int]]) -> str:
    return " and ".join(f"{count} * {kind}" if count > 1 else kind for kind, count in instances)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def instances(resource_config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the instance types of a ResourceConfig or ClusterConfig, and how many of each."""
    groups = resource_config.get("InstanceGroups") or [resource_config]
    return [(group.get("InstanceType", "local"), group.get("InstanceCount", 1)) for group in groups]
