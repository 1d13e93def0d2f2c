"""The cluster of a distributed job: its hosts, and the processes of each."""

from __future__ import annotations

from typing import Any

import pytest
from tests.train.running import Tree

from mlberth.contract.environment import Environment
from mlberth.errors import ContractError
from mlberth_train.launch.launchers.cluster import Cluster, read_cluster


def cluster(tree: Tree, gpus: int = 0, neurons: int = 0, /, **environ: str) -> Cluster:
    """Return the cluster of a tree on a machine with some accelerators."""
    environment = Environment.from_environ({"SAGEMAKER_BASE_DIR": str(tree.base)})
    return read_cluster(environment._replace(num_gpus=gpus, num_neurons=neurons), environ)


@pytest.mark.parametrize(
    ("gpus", "neurons", "environ", "processes"),
    [
        (0, 0, {}, 1),
        (8, 0, {}, 8),
        (0, 2, {}, 2),
        (8, 0, {"SAGEMAKER_PROCESSES_PER_HOST": "3"}, 3),
    ],
)
def test_processes_follow_the_accelerators(
    tree: Tree, gpus: int, neurons: int, environ: dict[str, str], processes: int
) -> None:
    """One for each that is visible, unless the job says otherwise."""
    assert cluster(tree, gpus, neurons, **environ).processes == processes


def test_leader_is_the_first_by_name(tree: Tree) -> None:
    """The order of the file does not matter."""
    tree.config(resourceconfig={"current_host": "algo-10", "hosts": ["algo-2", "algo-10"]})
    found = cluster(tree)
    assert (found.hosts, found.leader, found.rank) == (["algo-10", "algo-2"], "algo-10", 0)


@pytest.mark.parametrize(
    "environ",
    [
        {"SAGEMAKER_PROCESSES_PER_HOST": "0"},
        {"SAGEMAKER_LAUNCHER_PORT": "70000"},
        {"SAGEMAKER_LAUNCHER_PORT": "7777"},
        {"MASTER_PORT": "x"},
        {"SAGEMAKER_LAUNCHER_MIN_HOSTS": "none"},
    ],
    ids=lambda environ: "=".join(*environ.items()),
)
def test_faulty_settings_are_named(tree: Tree, environ: dict[str, Any]) -> None:
    """Each by its variable."""
    tree.config(resourceconfig={"current_host": "a", "hosts": ["a", "b"]})
    with pytest.raises(ContractError, match=next(iter(environ))):
        cluster(tree, **environ)
