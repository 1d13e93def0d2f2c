"""Faults of programs on three hosts with a network: all end with the reason, and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.load import LONG, reason_of, report
from tests.support import wait_until
from tests.train.hosts import HostGroup, Networks, cabled
from tests.train.programs import ENDLESS, NEEDS, TENSORFLOW
from tests.train.running import ended

LIMIT = 30.0
"""Within so many seconds after the fault every host has ended."""
HOSTS = 3
PROCESSES = {"plain": 2 * HOSTS, "dask": 1}
"""How many processes a launcher's program has, if it is not one on each host."""


class Expected(NamedTuple):
    """What all hosts report of a fault."""

    code: int
    words: str
    names_victim: bool = True
    """Whether the reason has the host that it is about."""


FAULTS = {
    "kill": Expected(137, "killed by SIGKILL"),
    "stop": Expected(70, "stopped by a signal for 10 s"),
    "cut": Expected(70, "no sign of life for 15 s"),
    "term": Expected(143, "Stopped by SIGTERM", names_victim=False),
}
CASES = [
    pytest.param(launcher, fault, id=f"{fault} with {launcher}")
    for launcher in ENDLESS
    for fault in FAULTS
    if LONG or (launcher, fault) == ("plain", "kill")
]


@pytest.fixture
def networks() -> Iterator[Networks]:
    """Return three hosts with a network of their own."""
    with cabled(hosts=HOSTS) as made:
        yield made


def make_group(networks: Networks, folder: Path, launcher: str) -> HostGroup:
    """Return the hosts of a job, with the launcher's program."""
    group = HostGroup(folder, HOSTS, networks).code(train__py=ENDLESS[launcher])
    (folder / "library/tensorflow").mkdir(parents=True)
    (folder / "library/tensorflow/__init__.py").write_text(TENSORFLOW)
    group.environ |= {"SAGEMAKER_LAUNCHER": launcher, "SAGEMAKER_HOST_WAIT_SECONDS": "60"}
    group.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "library")}
    group.environ["SAGEMAKER_PROCESSES_PER_HOST"] = "2" if launcher == "plain" else "1"
    return group


def running(group: HostGroup) -> list[tuple[int, str]]:
    """Return the processes of the program, each with the host that it runs on, in the hosts' order."""
    return [
        (int(file.name.removeprefix("running-")), name)
        for name, tree in zip(group.names, group.trees, strict=True)
        for file in tree.layout.code.glob("running-*")
    ]


def have_ended(commands: Sequence[subprocess.Popen[str]]) -> bool:
    """Return whether a host has ended."""
    return any(command.poll() is not None for command in commands)


@pytest.mark.parametrize(("launcher", "fault"), CASES)
def test_16_rank_host_or_network_is_lost(
    tmp_path: Path, networks: Networks, launcher: str, fault: str
) -> None:
    """Every host has the reason, with the host that it is about; who is cut off misses the leader."""
    if (module := NEEDS.get(launcher, "sys")) not in sys.modules and find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    group = make_group(networks, tmp_path, launcher)
    with group.running() as commands:
        count = PROCESSES.get(launcher, HOSTS)
        wait_until(lambda: len(running(group)) == count or have_ended(commands), timeout=300)
        assert len(running(group)) == count, [ended(command) for command in commands]
        victim, host = running(group)[-1]
        began = time.monotonic()
        if fault == "cut":
            networks.cut()
        elif fault == "term":
            commands[-1].send_signal(signal.SIGTERM)
        else:
            os.kill(victim, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        ends = [ended(command) for command in commands]
        took = time.monotonic() - began
    expected, about = FAULTS[fault], [host] * HOSTS
    if fault == "cut":
        about = [group.names[-1]] * (HOSTS - 1) + [group.names[0]]
    right = [
        end.code == expected.code
        and expected.words in tree.failure
        and (name in tree.failure or not expected.names_victim)
        for end, tree, name in zip(ends, group.trees, about, strict=True)
    ]
    report(
        f"{fault} with {launcher} on three hosts",
        n=HOSTS,
        failed=right.count(False),
        recovery=took,
        reason=reason_of(group.trees[0].failure),
    )
    assert all(right), [(end, tree.failure) for end, tree in zip(ends, group.trees, strict=True)]
    assert took < LIMIT
    wait_until(lambda: not networks.processes())
