"""Faults of programs on two hosts with a network of their own: all end with the reason, and leave nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.faults.load import LONG, report
from tests.support import free_port, is_alive, wait_until
from tests.train.hosts import Networks, end_all
from tests.train.running import BIN, Tree, ended

from mlberth_train.ranks.processes import processes_below

LIMIT = 30.0
"""Within so many seconds after the fault every host has ended."""
RUNS = """
import os, pathlib, time
def runs(rank):
    file = pathlib.Path(f"running-{rank}")
    if not file.exists():
        file.write_text(str(os.getpid()))
"""
PROGRAMS = {
    "plain": RUNS + "runs(os.environ['RANK'])\nwhile True: time.sleep(60)",
    "torchrun": RUNS
    + """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
while True:
    model(torch.ones(2, 4)).sum().backward()
    runs(dist.get_rank())
    time.sleep(0.01)
""",
    "mpi": RUNS
    + """
from mpi4py import MPI
while True:
    MPI.COMM_WORLD.barrier()
    runs(MPI.COMM_WORLD.rank)
    time.sleep(0.01)
""",
    "xgboost": RUNS
    + """
import numpy, xgboost
from mlberth.collective import xgboost_arguments
class Mark(xgboost.callback.TrainingCallback):
    def after_iteration(self, model, epoch, log):
        runs(xgboost.collective.get_rank())
with xgboost.collective.CommunicatorContext(**xgboost_arguments()):
    rows = numpy.arange(64.0).reshape(16, 4)
    xgboost.train({}, xgboost.DMatrix(rows, rows[:, 0]), 10**9, callbacks=[Mark()])
""",
    "dask": RUNS
    + """
from dask.distributed import Client
if __name__ == "__main__":
    with Client() as client:
        client.wait_for_workers(2, timeout=60)
        task = client.submit(time.sleep, 1000)
        runs(0)
        task.result()
""",
}
NEEDS = {"torchrun": "torch", "mpi": "mpi4py", "xgboost": "xgboost", "dask": "distributed"}
FAULTS = {
    "kill": (137, "killed by SIGKILL"),
    "stop": (70, "stopped by a signal for 10 s"),
    "cut": (70, "no sign of life for 15 s"),
    "term": (143, "Stopped by SIGTERM"),
}
CASES = [
    pytest.param(launcher, fault, id=f"{fault} with {launcher}")
    for launcher in PROGRAMS
    for fault in FAULTS
    if LONG or (launcher, fault) == ("plain", "kill")
]


@pytest.fixture
def networks() -> Iterator[Networks]:
    """Return two hosts with a cable between them."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))):
        pytest.skip("needs root and iproute2")
    try:
        made = Networks()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made: {error.stderr}")
    yield made
    made.remove()


def started(
    networks: Networks, folder: Path, launcher: str
) -> tuple[list[Tree], list[subprocess.Popen[str]]]:
    """Start `train` on both hosts; return their trees and commands."""
    trees, commands = [], []
    environ = {"SAGEMAKER_LAUNCHER": launcher, "SAGEMAKER_HOST_WAIT_SECONDS": "60", "OMP_NUM_THREADS": "1"}
    environ["SAGEMAKER_PROCESSES_PER_HOST"] = "2" if launcher == "plain" else "1"
    environ["SAGEMAKER_LAUNCHER_PORT"] = str(free_port())
    for number, name in enumerate(networks.names):
        tree = Tree(folder / name).code(train__py=PROGRAMS[launcher])
        tree.config(resourceconfig={"current_host": name, "hosts": networks.names})
        trees.append(tree)
        commands.append(tree.start(networks.inside(number, BIN / "train"), **environ))
    return trees, commands


@pytest.mark.parametrize(("launcher", "fault"), CASES)
def test_16_rank_host_or_network_is_lost(
    tmp_path: Path, networks: Networks, launcher: str, fault: str
) -> None:
    """Every host has the reason, with the host and the rank it is about."""
    if (module := NEEDS.get(launcher, "sys")) not in sys.modules and find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    trees, commands = started(networks, tmp_path, launcher)
    count = {"plain": 4, "dask": 1}.get(launcher, 2)

    def running() -> list[int]:
        files = sorted(
            (file.name, file.read_text()) for tree in trees for file in tree.layout.code.glob("running-*")
        )
        return [int(text) for _, text in files if text]

    try:
        wait_until(lambda: len(running()) == count, timeout=100)
        below = [one.pid for command in commands for one in processes_below(command.pid)]
        victim = running()[-1]
        began = time.monotonic()
        if fault == "cut":
            networks.cut()
        elif fault == "term":
            commands[1].send_signal(signal.SIGTERM)
        else:
            os.kill(victim, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        ends = [ended(command) for command in commands]
        took = time.monotonic() - began
    finally:
        end_all(commands)
    code, words = FAULTS[fault]
    named = [words in tree.failure and networks.names[0][:-1] in tree.failure for tree in trees]
    failed = sum(not right or end.code != code for right, end in zip(named, ends, strict=True))
    report(f"{fault} with {launcher} on two hosts", n=len(ends), failed=failed, recovery=took)
    assert failed == 0, [(end, tree.failure) for end, tree in zip(ends, trees, strict=True)]
    assert took < LIMIT
    assert not any(map(is_alive, below))
