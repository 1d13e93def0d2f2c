"""PyTorch's DistributedDataParallel below torchrun, on two hosts and on one."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until
from tests.train.hosts import HostGroup
from tests.train.running import ended

pytest.importorskip("torch")

PROGRAM = """
import json, os, pathlib, signal, torch, torch.distributed as dist
dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
x = torch.arange(64.0).reshape(16, 4) / 64
y = x.sum(1, keepdim=True)


def trained(wrap, part, steps=20):
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 1)
    model = wrap(layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(steps):
        optimizer.zero_grad()
        ((model(x[part]) - y[part]) ** 2).mean().backward()
        optimizer.step()
        if os.environ.get("RAISE") and rank == 1:
            raise ValueError("the reason")
        if os.environ.get("FAIL") and rank == 1 and not pathlib.Path("failed").exists():
            pathlib.Path("failed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return layer.weight.flatten().tolist()


pathlib.Path(f"running-{rank}").write_text(str(os.getpid()))
steps = int(os.environ.get("STEPS", 20))
together = trained(torch.nn.parallel.DistributedDataParallel, slice(rank, None, size), steps)
seen = {"together": together, "alone": trained(lambda layer: layer, slice(None)), "size": size}
pathlib.Path(os.environ["SM_MODEL_DIR"], f"{rank}.json").write_text(json.dumps(seen))
dist.destroy_process_group()
"""
SWITCH = {"sagemaker_torch_distributed_enabled": "true"}


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports PyTorch four times")
def test_two_hosts_learn_what_one_does(tmp_path: Path) -> None:
    """The hyperparameter chooses torchrun. All start anew after a rank was killed, and end as one process."""
    group = HostGroup(tmp_path, 2, hyperparameters=SWITCH).code(train__py=PROGRAM)
    hosts = group.train(SAGEMAKER_LAUNCHER_MAX_RESTARTS="1", FAIL="1")
    assert [host.code for host in hosts] == [0, 0], hosts
    results = [json.loads(path.read_text()) for tree in group.trees for path in tree.layout.model.iterdir()]
    assert [result["size"] for result in results] == [2, 2]
    assert (group.trees[1].layout.code / "failed").exists()
    for result in results:
        assert result["together"] == pytest.approx(result["alone"], rel=1e-5)


def test_rank_that_raises_is_the_reason(tmp_path: Path) -> None:
    """The other rank fails because of it, in a collective; each report has the first one's exception."""
    group = HostGroup(tmp_path, 2, hyperparameters=SWITCH).code(train__py=PROGRAM)
    hosts = group.train(RAISE="1", STEPS="1000000000")
    assert [host.code for host in hosts] == [1, 1], hosts
    for tree in group.trees:
        assert tree.failure.startswith("ValueError: the reason\n  at train.py:")
        assert "127.0.0.3 (rank 1 of 2)" in tree.failure


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="imports PyTorch four times more")
def test_killed_rank_ends_the_other_host(tmp_path: Path) -> None:
    """The other rank, which waits in a collective, ends with that reason."""
    group = HostGroup(tmp_path, 2, hyperparameters=SWITCH).code(train__py=PROGRAM)
    with group.running(STEPS="1000000000") as commands:
        files = [tree.layout.code / f"running-{rank}" for rank, tree in enumerate(group.trees)]
        wait_until(lambda: all(file.exists() and file.read_text() for file in files), timeout=100)
        pids = [int(file.read_text()) for file in files]
        os.kill(pids[1], signal.SIGKILL)
        hosts = [ended(command) for command in commands]
    assert [host.code for host in hosts] == [137, 137], hosts
    for tree in group.trees:
        assert tree.failure.startswith("The program was killed by SIGKILL")
        assert "127.0.0.3 (rank 1 of 2)" in tree.failure
    assert not any(map(is_alive, pids))
