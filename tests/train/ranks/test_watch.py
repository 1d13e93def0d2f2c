"""What the agent sees of the processes of its host: real ones, at a time of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import wait_until

from mlberth_train.ranks.plan import WOKEN
from mlberth_train.ranks.processes import look_at, processes_below
from mlberth_train.ranks.watch import STOPPED_SECONDS, AgentWatch, Sight, Watch

SPIN = "while True: pass"
SLEEP = "import time\nwhile True: time.sleep(1000)"
PARENT = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', *sys.argv[1:]])"
OWN_GROUP = PARENT.replace("])", "], start_new_session=True)")


class Host:
    """One host's ranks, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ranks").mkdir()
        self.now = 0.0
        self.started: list[subprocess.Popen[bytes]] = []
        self.watch = Watch(folder, 0, clock=lambda: self.now)

    def rank(self, *program: str) -> int:
        """Start a rank; return its last process, which runs the last of the programs."""
        argv = [sys.executable, "-c", *program]
        started = subprocess.Popen(argv)
        self.started.append(started)
        count = len(self.started)
        (self.folder / "ranks" / f"{count}.pid").write_text(f"{started.pid} {count} 2")
        wait_until(lambda: len(self.below(started.pid)) == len(program) - 1)
        return [started.pid, *self.below(started.pid)][-1]

    def below(self, pid: int) -> list[int]:
        """Return the processes below one."""
        return [process.pid for process in processes_below(pid)]

    def look(self, seconds: float = 2.0) -> Sight:
        """Return what is seen after some seconds."""
        self.now += seconds
        sight = self.watch.look()
        assert sight
        return sight

    def stop(self, pid: int) -> None:
        """Stop a process."""
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: (process := look_at(pid)) is not None and process.state == "T")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Return a host; its ranks are killed at the end."""
    made = Host(tmp_path)
    yield made
    for started in made.started:
        below = made.below(started.pid)
        started.kill()
        for pid in below:
            os.kill(pid, signal.SIGKILL)
        started.wait()


def test_rank_that_computes_does_not_wait(host: Host) -> None:
    """CPU time of any rank counts, over the time between two looks."""
    host.rank(SLEEP)
    spinning = host.rank(SPIN)
    host.look()
    before = look_at(spinning)
    assert before
    wait_until(lambda: (now := look_at(spinning)) is not None and now.seconds - before.seconds > 0.3)
    assert host.look().waiting is None
    assert host.watch.look() is None, "not so soon again"


def test_ranks_that_sleep_wait(host: Host) -> None:
    """They are named, and one that has ended since is, too."""
    first = host.rank(SLEEP)
    host.rank(SLEEP)
    host.look()
    assert host.look(1000).waiting == [1, 2]
    (host.folder / "ranks/1.pid").unlink()
    os.kill(first, signal.SIGKILL)
    host.started[0].wait()
    assert host.look().ended == [1]
    assert host.look(1000).waiting == [2]


@pytest.mark.parametrize(
    "program",
    [(SLEEP,), (OWN_GROUP, SLEEP), (OWN_GROUP, PARENT, SLEEP)],
    ids=["rank", "program", "below a shell"],
)
def test_stopped_rank_is_seen_after_a_while(host: Host, program: tuple[str, ...]) -> None:
    """The state is the kernel's; a short stop is nobody's business."""
    pid = host.rank(*program)
    host.stop(pid)
    assert host.look().stopped == []
    ((process, running),) = host.look(STOPPED_SECONDS).stopped
    assert running
    assert (process.pid, running.rank, running.ranks) == (pid, 1, 2)
    host.watch.wake()
    wait_until(lambda: (now := look_at(pid)) is not None and now.state != "T")
    assert host.look(1000).stopped == []


def test_program_may_stop_what_has_a_group_of_its_own(host: Host) -> None:
    """It knows what it does."""
    host.stop(host.rank(OWN_GROUP, OWN_GROUP, SLEEP))
    host.look()
    assert host.look(1000).stopped == []


def test_stopped_agent_is_woken_and_told(tmp_path: Path) -> None:
    """One that stays stopped is given up."""
    now = 0.0
    agent = AgentWatch(tmp_path, clock=lambda: now)
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as process:
        try:
            assert not agent.is_lost(process.pid)
            for now in (0.0, STOPPED_SECONDS, STOPPED_SECONDS + 4):
                os.kill(process.pid, signal.SIGSTOP)
                wait_until(lambda: (seen := look_at(process.pid)) is not None and seen.state == "T")
                lost = agent.is_lost(process.pid)
                assert (tmp_path / WOKEN).exists() == (now > 0)
            assert lost
            assert "on algo-1" in agent.fault("algo-1").where
        finally:
            process.kill()
