"""TF_CONFIG, compared with what sagemaker-tensorflow-training builds for the same hosts."""

from __future__ import annotations

import json

import pytest
from tests.train.launch.cases import launch_job

from mlberth_train.launch.launchers import multi_worker, parameter_server
from mlberth_train.launch.launchers.tf_config import mirrored_config, parameter_server_config

HOSTS = ["algo-1", "algo-2", "algo-3"]
CLUSTER = {
    "master": ["algo-1:2222"],
    "ps": ["algo-1:2223", "algo-2:2223", "algo-3:2223"],
    "worker": ["algo-2:2222", "algo-3:2222"],
}


@pytest.mark.parametrize(
    ("current", "serves", "task"),
    [
        ("algo-1", False, {"index": 0, "type": "master"}),
        ("algo-2", False, {"index": 0, "type": "worker"}),
        ("algo-3", False, {"index": 1, "type": "worker"}),
        ("algo-1", True, {"index": 0, "type": "ps"}),
        ("algo-3", True, {"index": 2, "type": "ps"}),
    ],
)
def test_first_host_is_the_master(current: str, serves: bool, task: dict[str, object]) -> None:
    """Others are workers, and each host has a parameter server."""
    config = json.loads(parameter_server_config(HOSTS, current, serves=serves))
    assert config == {"cluster": CLUSTER, "environment": "cloud", "task": task}


def test_single_host_has_a_master_alone() -> None:
    """There is nobody to serve."""
    config = json.loads(parameter_server_config(HOSTS[:1], "algo-1"))
    assert config["cluster"] == {"master": ["algo-1:2222"]}


def test_every_host_is_a_mirrored_worker() -> None:
    """MultiWorkerMirroredStrategy has workers alone, at another port."""
    config = json.loads(mirrored_config(HOSTS, "algo-2"))
    addresses = ["algo-1:8890", "algo-2:8890", "algo-3:8890"]
    task = {"index": 1, "type": "worker"}
    assert config == {"cluster": {"worker": addresses}, "environment": "cloud", "task": task}


def test_launchers_give_it_to_their_one_process() -> None:
    """A single host needs no parameter server, and no TF_CONFIG for one."""
    job = launch_job(current="algo-2")
    hosts = job.cluster.hosts
    (own,) = parameter_server.LAUNCHER.environs(job)
    assert own["TF_CONFIG"] == parameter_server_config(hosts, "algo-2")
    assert multi_worker.LAUNCHER.environs(job)[0]["TF_CONFIG"] == mirrored_config(hosts, "algo-2")

    (server,) = parameter_server.LAUNCHER.helpers(job)
    assert server.argv[-1] == parameter_server_config(hosts, "algo-2", serves=True)
    alone = launch_job(hosts=["algo-1"])
    assert parameter_server.LAUNCHER.helpers(alone) == []
    assert "TF_CONFIG" not in parameter_server.LAUNCHER.environs(alone)[0]
