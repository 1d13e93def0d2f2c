"""Every launcher on three hosts with a network of their own: the result is that of one host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import LONG
from tests.train.hosts import HostGroup, Networks, cabled
from tests.train.programs import LEARNING, NEEDS, TENSORFLOW, predicted

DUMP = """
import os, pathlib, time
server = pathlib.Path(os.environ["SM_MODEL_DIR"], "server")
while not server.exists() or not server.read_text():
    time.sleep(0.01)
print("config", os.environ["TF_CONFIG"])
"""
_QUICK = "mpi"
"""The launcher whose program imports the least."""


@pytest.fixture
def networks() -> Iterator[Networks]:
    """Return three hosts with a network of their own."""
    with cabled(hosts=3) as made:
        yield made


@pytest.mark.parametrize("launcher", LEARNING)
def test_three_hosts_learn_what_one_does(tmp_path: Path, networks: Networks, launcher: str) -> None:
    """The first rank prints what its model predicts, to four places."""
    if launcher != _QUICK and not LONG:
        pytest.skip("imports the library four times")
    pytest.importorskip(NEEDS[launcher])
    if launcher == "mpi" and shutil.which("mpirun") is None:
        pytest.skip("Open MPI is not installed")
    found = []
    for count in (3, 1):
        group = HostGroup(tmp_path / str(count), count, networks).code(train__py=LEARNING[launcher])
        hosts = group.train(SAGEMAKER_LAUNCHER=launcher, OMP_NUM_THREADS="1")
        assert [host.code for host in hosts] == [0] * count, hosts
        assert all(tree.layout.success.exists() for tree in group.trees)
        found.append(predicted("".join(host.out for host in hosts)))
    together, alone = found
    assert together == alone
    assert networks.processes() == []


def test_three_hosts_are_a_cluster_of_tensorflow(tmp_path: Path, networks: Networks) -> None:
    """As its container has it: a master, two workers, and a parameter server beside each of them."""
    (tmp_path / "library/tensorflow").mkdir(parents=True)
    (tmp_path / "library/tensorflow/__init__.py").write_text(TENSORFLOW)
    group = HostGroup(tmp_path, 3, networks, hyperparameters={"sagemaker_parameter_server_enabled": "true"})
    hosts = group.code(train__py=DUMP).train(PYTHONPATH=str(tmp_path / "library"))
    assert [host.code for host in hosts] == [0, 0, 0], hosts
    first, second, third = group.names
    cluster = {
        "master": [f"{first}:2222"],
        "ps": [f"{name}:2223" for name in group.names],
        "worker": [f"{second}:2222", f"{third}:2222"],
    }
    tasks = [{"index": 0, "type": "master"}, {"index": 0, "type": "worker"}, {"index": 1, "type": "worker"}]
    for number, (host, tree) in enumerate(zip(hosts, group.trees, strict=True)):
        prefix, _, text = host.out.partition("config ")
        assert prefix == f"[rank {number}] "
        assert json.loads(text) == {"cluster": cluster, "environment": "cloud", "task": tasks[number]}
        assert (tree.layout.model / "server").read_text().split()[1:3] == ["ps", str(number)]
    assert networks.processes() == []
