"""How much of the machine a job takes."""

from __future__ import annotations

import pytest

from mlberth_local.engines.base import Limits
from mlberth_local.jobs.capacity import Capacity, Demand, instances, read_capacity

GB = 1024**3


@pytest.mark.parametrize(
    ("kind", "cpus", "memory"),
    [
        ("ml.m5.large", 2, 8),
        ("ml.c5.2xlarge", 8, 16),
        ("ml.t3.medium", 1, 4),
        ("local", 16, 64),
        ("ml.p4d.24xlarge", 16, 64),
    ],
)
def test_instance_types_as_limits(kind: str, cpus: float, memory: int) -> None:
    """A type is its size, at most what the machine has; `local` is all of it."""
    assert Capacity(16, 64 * GB).limits(kind) == Limits(cpus, memory * GB)


def test_demand() -> None:
    """A host counts as a CPU, or as its instance type if types are limits."""
    wanted = instances({"InstanceGroups": [{"InstanceType": "ml.m5.large", "InstanceCount": 3}]})
    assert Capacity(16, 64 * GB).demand(wanted) == Demand(3)
    assert Capacity(16, 64 * GB, has_limits=True).demand(wanted) == Demand(6, 24 * GB)


def test_room() -> None:
    """What is too large for the machine runs alone, so that nothing waits for ever."""
    capacity = Capacity(4, 8 * GB)
    assert capacity.has_room([], Demand(100))
    assert capacity.has_room([Demand(2)], Demand(2))
    assert not capacity.has_room([Demand(2)], Demand(3))
    assert not capacity.has_room([Demand(1, 8 * GB)], Demand(1, 1))


def test_variables() -> None:
    """Capacity is the machine's, or that of the variables; all faults are named at once."""
    assert read_capacity({}).cpus >= 1
    assert read_capacity({"MLBERTH_CPUS": "1.5", "MLBERTH_MEMORY_GB": "2"}) == Capacity(1.5, 2 * GB)
    assert read_capacity({"MLBERTH_INSTANCE_LIMITS": "true"}).has_limits
    with pytest.raises(ValueError, match=r"MLBERTH_CPUS is 'x'.*MLBERTH_INSTANCE_LIMITS is 'y'"):
        read_capacity({"MLBERTH_CPUS": "x", "MLBERTH_INSTANCE_LIMITS": "y"})
