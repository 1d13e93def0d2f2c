"""The protocol of launchers: what a host runs, and with which variables. Pure functions; others run it.

How a job ended is known in one way for all of them: each rank leaves a record (`ranks/rank.py`), and the
agents of all hosts agree on the first failure (`ranks/coordinator.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlberth._typing import NamedTuple, typing
from mlberth.contract.channels import Channel
from mlberth_train.launch.launchers.cluster import Cluster
from mlberth_train.ranks.plan import OWN_RANK, OWN_RANKS, Helper


class LaunchJob(NamedTuple):
    """What a launcher has to know of a job."""

    cluster: Cluster
    rank: list[str]
    """The command of one rank: it runs the program."""
    python: str
    name: str
    """The same on all hosts, and of no other job."""
    options: Mapping[str, typing.Any]
    """The hyperparameters for the framework, `sagemaker_…`."""
    channels: Mapping[str, Channel] = {}


def _rank_command(job: LaunchJob) -> list[str]:
    return job.rank


def _no_helpers(job: LaunchJob) -> list[Helper]:  # noqa: ARG001 - a default for a function of the job
    return []


def _always(job: LaunchJob) -> bool:  # noqa: ARG001
    return True


class Launcher(NamedTuple):
    """One way to start the processes of a program."""

    name: str
    environs: Callable[[LaunchJob], list[dict[str, str]]]
    """Returns the variables of each process that a host runs."""
    argv: Callable[[LaunchJob], list[str]] = _rank_command
    """Returns what these processes are: by default the program itself."""
    helpers: Callable[[LaunchJob], list[Helper]] = _no_helpers
    """Returns what runs beside them and ends with the job."""
    has_ranks: Callable[[LaunchJob], bool] = _always
    """Returns whether this host runs the program, or only helps others that do."""
    counted: Mapping[str, str] = {}
    """Variables of a rank that are known once all hosts have said how many they have: text with {rank} and
    {size}."""
    needs: Mapping[str, str] = {}
    """The modules that it imports, and how each is installed."""
    commands: Mapping[str, str] = {}
    """The commands that it runs, and how each is installed."""
    one_each: bool = False
    """Whether a host has one process of the program, whatever its GPUs."""
    equal: bool = False
    """Whether all hosts must have as many processes."""
    names: bool = False
    """Whether it tells the program the address of every host."""
    elastic: bool = False
    """Whether it can go on with fewer hosts, and start the program anew."""


def threads(cluster: Cluster) -> str:
    """Return how many threads each process of a host has, so that all of them fit its CPUs."""
    return str(max(1, cluster.cpus // cluster.processes))


def host_rank(cluster: Cluster) -> dict[str, str]:
    """Return the variables for a rank that is the host's position; no program gets to see them."""
    return {OWN_RANK: str(cluster.rank), OWN_RANKS: str(len(cluster.hosts))}
