"""How much of the machine a job takes."""

from __future__ import annotations

import pytest

from mlberth_local.engines.base import Limits
from mlberth_local.jobs.capacity import Capacity, Demand, instances, read_capacity
from mlberth_local.jobs.cluster import members, spread

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


FOUR = Capacity(4, 8 * GB, gpus=("0", "1", "2", "3"))


@pytest.mark.parametrize(
    ("kinds", "gpus", "refused"),
    [
        ([("ml.m5.large", 3)], 0, False),
        ([("ml.g5.xlarge", 3)], 3, False),
        ([("ml.p3.8xlarge", 1)], 4, False),
        ([("ml.g5.xlarge", 2), ("ml.m5.large", 1)], 2, False),
        ([("local_gpu", 1)], 4, False),
        ([("local", 1)], 0, False),
        ([("ml.p4d.24xlarge", 1)], 0, True),
        ([("ml.p3.8xlarge", 1), ("ml.g5.xlarge", 1)], 0, True),
    ],
)
def test_gpus(kinds: list[tuple[str, int]], gpus: int, refused: bool) -> None:
    """An instance takes those of its type; what the machine does not have is refused, and takes none."""
    assert (FOUR.demand(kinds).gpus, bool(FOUR.refusal(kinds)), FOUR.notice(kinds)) == (gpus, refused, "")
    nothing = Capacity(4, 8 * GB)
    assert (nothing.demand(kinds).gpus, nothing.refusal(kinds)) == (0, "")
    assert bool(nothing.notice(kinds)) == (gpus > 0 or refused)


@pytest.mark.parametrize(
    ("running", "waiting", "places"),
    [
        ([], [Demand(1), Demand(3), Demand(1)], [0, 1]),
        ([Demand(2)], [Demand(3), Demand(1)], []),
        ([], [Demand(9), Demand(1)], [0]),
        ([Demand(1)], [Demand(9), Demand(1)], []),
        ([Demand(1, gpus=1)], [Demand(1, gpus=4), Demand(1, gpus=1), Demand(1)], [2]),
        ([Demand(1, gpus=1)], [Demand(1, gpus=3), Demand(1, gpus=1), Demand(1)], [0, 2]),
        ([Demand(1, gpus=4)], [Demand(3, gpus=1), Demand(1)], []),
        ([Demand(1, 8 * GB)], [Demand(1, 1)], []),
        ([Demand(1, 4 * GB)], [Demand(1, 4 * GB)], [0]),
    ],
    ids=[
        *("in order", "no smaller one passes", "too large: alone", "too large: waits for all"),
        *("past a wait for gpus", "the rest of the gpus", "its cpus are kept for it"),
        *("no memory", "the rest of the memory"),
    ],
)
def test_who_may_start(running: list[Demand], waiting: list[Demand], places: list[int]) -> None:
    """Those that take nothing of what an earlier one waits for."""
    assert FOUR.admitted(running, waiting) == places


def test_the_hosts_of_a_job_share_its_gpus() -> None:
    """In their order, each as many as its type has."""
    hosts = members(
        {
            "InstanceGroups": [
                {"InstanceGroupName": "a", "InstanceType": "ml.g5.12xlarge", "InstanceCount": 1},
                {"InstanceGroupName": "b", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2},
                {"InstanceGroupName": "c", "InstanceType": "ml.m5.large", "InstanceCount": 1},
            ]
        }
    )
    found = spread(list("abcdef"), hosts, FOUR.gpu_count)
    assert found == {"algo-1": list("abcd"), "algo-2": ["e"], "algo-3": ["f"], "algo-4": []}


def test_variables() -> None:
    """Capacity is the machine's, or that of the variables; all faults are named at once."""
    assert read_capacity({}).cpus >= 1
    assert read_capacity({"MLBERTH_CPUS": "1.5", "MLBERTH_MEMORY_GB": "2"}) == Capacity(1.5, 2 * GB)
    assert read_capacity({"MLBERTH_INSTANCE_LIMITS": "true"}).has_limits
    with pytest.raises(ValueError, match=r"MLBERTH_CPUS is 'x'.*MLBERTH_INSTANCE_LIMITS is 'y'"):
        read_capacity({"MLBERTH_CPUS": "x", "MLBERTH_INSTANCE_LIMITS": "y"})
    assert read_capacity({"MLBERTH_GPUS": "2"}).gpus == ("0", "1")
    with pytest.raises(ValueError, match=r"MLBERTH_CPUS is 'x'.*MLBERTH_GPUS is '-1'"):
        read_capacity({"MLBERTH_CPUS": "x", "MLBERTH_GPUS": "-1"})
