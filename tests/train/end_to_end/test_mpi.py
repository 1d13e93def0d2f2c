"""Programs for MPI on hosts in network namespaces: no ssh, and no key."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import is_alive, wait_until
from tests.train.hosts import Networks, cabled, end_all
from tests.train.running import Tree, ended

pytest.importorskip("mpi4py")
PROMPT = 30.0
PROGRAM = """
from mpi4py import MPI
import os, pathlib, time
world = MPI.COMM_WORLD
print(world.allreduce(world.rank + 1), world.size, os.environ["SM_CURRENT_HOST"], os.environ["MINE"])
pathlib.Path(f"running-{world.rank}").write_text(str(os.getpid()))
while os.environ["WAIT"]:
    world.barrier()
    time.sleep(0.05)
"""
OPTIONS = {
    "sagemaker_mpi_enabled": "true",
    "sagemaker_mpi_num_of_processes_per_host": "2",
    "sagemaker_mpi_custom_mpi_options": "-x MINE='a b'",
}


@pytest.fixture
def networks() -> Iterator[Networks]:
    """Return two hosts with a network of their own."""
    with cabled("mpirun") as made:
        yield made


NAMES = ["job-0.service", "job-1.service"]
"""Of hosts, as pods have them."""


class Started:
    """`train` on both hosts."""

    def __init__(self, folder: Path, networks: Networks, **environ: str) -> None:
        self.trees = []
        self.commands = []
        known = folder / "hosts"
        lines = (f"{address} {name}\n" for address, name in zip(networks.names, NAMES, strict=True))
        known.write_text("127.0.0.1 localhost\n" + "".join(lines))
        for number, name in enumerate(NAMES):
            hosts = {"current_host": name, "hosts": NAMES, "network_interface_name": "eth0"}
            tree = Tree(folder / name).code(train__py=PROGRAM)
            tree.config(resourceconfig=hosts, hyperparameters=OPTIONS)
            self.trees.append(tree)
            fixed = {"SAGEMAKER_HOST_WAIT_SECONDS": "30", "WAIT": "", "MINE": ""}
            self.commands.append(tree.start(networks.inside(number, known), **{**fixed, **environ}))

    def pids(self) -> list[int]:
        """Return the processes of the program that run."""
        files = [path for tree in self.trees for path in sorted(tree.layout.code.glob("running-*"))]
        return [int(text) for file in files if (text := file.read_text())]


@pytest.fixture
def start(tmp_path: Path, networks: Networks) -> Iterator[Callable[..., Started]]:
    """Return what starts a job; nothing of it outlives the test."""
    jobs: list[Started] = []

    def start(**environ: str) -> Started:
        jobs.append(Started(tmp_path, networks, **environ))
        return jobs[-1]

    yield start
    for job in jobs:
        end_all(job.commands)


def test_ranks_of_two_hosts_compute_together(networks: Networks, start: Callable[..., Started]) -> None:
    """Each sees the variables of its own host, and the options of the job are mpirun's."""
    started = start()
    first, second = [ended(command) for command in started.commands]
    assert (first.code, second.code) == (0, 0), (first, second)
    # mpirun collects the output of all ranks on the leader.
    lines = [f"[rank {rank}] 10 4 {NAMES[rank // 2]} a b" for rank in range(4)]
    assert sorted(first.out.splitlines()) == lines
    assert all(tree.layout.success.exists() for tree in started.trees)


def test_killed_rank_ends_all_hosts(networks: Networks, start: Callable[..., Started]) -> None:
    """All hosts end with that reason, though the others wait in a collective."""
    started = start(WAIT="1")
    wait_until(lambda: len(started.pids()) == 4)
    pids, killed = started.pids(), time.monotonic()
    os.kill(pids[3], signal.SIGKILL)
    hosts = [ended(command) for command in started.commands]
    assert time.monotonic() - killed < PROMPT
    assert [host.code for host in hosts] == [137, 137], hosts
    for tree in started.trees:
        assert tree.failure.startswith("The program was killed by SIGKILL")
        assert f"{NAMES[1]} (rank 3 of 4)" in tree.failure
    assert not any(map(is_alive, pids))


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="takes a quarter of a minute")
def test_cut_link_ends_both_sides(networks: Networks, start: Callable[..., Started]) -> None:
    """Each side gives the other up after a while."""
    started = start(WAIT="1")
    wait_until(lambda: len(started.pids()) == 4)
    pids, cut = started.pids(), time.monotonic()
    networks.cut()
    hosts = [ended(command) for command in started.commands]
    assert time.monotonic() - cut < PROMPT
    assert [host.code for host in hosts] == [70, 70], hosts
    for other, tree in zip(reversed(NAMES), started.trees, strict=True):
        assert f"host {other}: found no sign of life for 15 s" in tree.failure
    assert not any(map(is_alive, pids))


def test_stop_reaches_every_rank(networks: Networks, start: Callable[..., Started]) -> None:
    """SIGTERM of one host ends all, and every host says so."""
    started = start(WAIT="1")
    wait_until(lambda: len(started.pids()) == 4)
    started.commands[1].send_signal(signal.SIGTERM)
    hosts = [ended(command) for command in started.commands]
    assert [host.code for host in hosts] == [143, 143], hosts
    assert all(tree.failure.startswith("Stopped by SIGTERM\n") for tree in started.trees)
