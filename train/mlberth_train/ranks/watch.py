"""Ranks as seen from outside: whether one is stopped, has ended, or computes.

Every two seconds the agent looks at the processes of its host. One that a signal has stopped does nothing
ever again by itself; that is certain. A rank that uses no CPU time may wait for another one, or may not:
that counts only when a rank has ended (`ranks/coordinator.py`).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mlberth._typing import NamedTuple
from mlberth.errors import Fault
from mlberth_train.ranks.plan import RANKS, WOKEN
from mlberth_train.ranks.processes import (
    STOPPED,
    WAITS_FOR_DISK,
    Process,
    bytes_moved,
    look_at,
    processes_below,
)

STOPPED_SECONDS = 10.0
"""After so long a process that is stopped is not waited for: less than a host may be silent, so that the
reason is told before the silence is."""
_LOOK_SECONDS = 2.0
_WAKE_SECONDS = 3.0
# PyTorch's threads wake up a hundred times a second while they wait for another rank: 1.6 % and 4 kB/s.
_BUSY_SHARE = 0.05
_BUSY_BYTES = 65536.0


class Running(NamedTuple):
    """A rank that runs on this host, from the file that it leaves."""

    pid: int
    rank: int
    ranks: int


class Sight(NamedTuple):
    """What one look has found."""

    stopped: list[tuple[Process, Running | None]]
    """Processes that are stopped for too long, and the rank that each belongs to."""
    ended: list[int]
    """Ranks that were there at the last look."""
    waiting: list[int] | None
    """The ranks of this host, if none of them computes; None if one does."""


class StopClock:
    """Knows how long processes have been stopped. One that has run in between counts anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[tuple[int, float], float] = {}

    def stopped(self, processes: Iterable[Process]) -> list[Process]:
        """Return those that are stopped for too long; the others are forgotten unless they are stopped."""
        now = self._clock()
        stopped = [process for process in processes if process.state == STOPPED]
        self._since = {
            (one.pid, one.seconds): self._since.get((one.pid, one.seconds), now) for one in stopped
        }
        return [one for one in stopped if now - self._since[one.pid, one.seconds] >= STOPPED_SECONDS]


class AgentWatch:
    """What `train` knows of its agent, which watches everybody else."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._stops = StopClock(clock)
        self._woken_at: float | None = None
        self.gave_up = False

    def is_lost(self, pid: int) -> bool:
        """Return whether the agent is stopped for good.

        First it is woken up, and told so: it then ends the job on all hosts, with that reason.
        """
        process = look_at(pid)
        if process is None or not self._stops.stopped([process]):
            return False
        if self._woken_at is None:
            self._woken_at = self._clock()
            (self._folder / WOKEN).touch()
        os.kill(pid, signal.SIGCONT)
        self.gave_up = self._clock() - self._woken_at > _WAKE_SECONDS
        return self.gave_up

    def fault(self, host: str) -> Fault:
        """Return what is wrong with an agent that could not be woken."""
        found = f"stopped by a signal for {STOPPED_SECONDS:g} s, and again when it was woken"
        return Fault(
            f"the agent of `train` on {host}", found, "a process that goes on", "See who sends SIGSTOP."
        )


class Watch:
    """Looks at the ranks of one host, now and then."""

    def __init__(self, folder: Path, parent: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder / RANKS
        self._parent = parent
        """Another process that must go on: `train`, which passes the output on."""
        self._clock = clock
        self._stops = StopClock(clock)
        self._looked = clock()
        self._running: dict[str, Running] = {}
        self._files: dict[str, int] = {}
        """Which ranks have left word of their end, and when."""
        self._used: dict[int, tuple[float, int]] = {}
        """CPU time and bytes of each process of a rank at the last look."""

    def look(self) -> Sight | None:
        """Return what the ranks do; None if the last look was just now."""
        passed = self._clock() - self._looked
        if passed < _LOOK_SECONDS:
            return None
        self._looked += passed
        processes = processes_below(os.getpid())
        running = read_running(self._folder)
        ended = self._ended(running)
        owners = dict(_owners(processes, running.values()))
        watched = [one for one in processes if self._is_watched(one, owners)]
        parent = look_at(self._parent) if self._parent else None
        stopped = self._stops.stopped([*watched, *([parent] if parent else [])])
        computes = self._computes([one for one in processes if one.pid in owners], passed)
        waiting = None if computes else sorted(one.rank for one in running.values())
        return Sight([(one, owners.get(one.pid)) for one in stopped], ended, waiting)

    def wake(self) -> None:
        """Let what is stopped go on, so that it can end as it should."""
        parent = look_at(self._parent) if self._parent else None
        for process in [*processes_below(os.getpid()), *([parent] if parent else [])]:
            if process.state == STOPPED:
                try:
                    os.kill(process.pid, signal.SIGCONT)
                except ProcessLookupError:
                    continue

    def _ended(self, running: dict[str, Running]) -> list[int]:
        """Return the ranks that have ended since the last look; one may have begun since then, too."""
        gone = {one.rank for name, one in self._running.items() if running.get(name) != one}
        self._running = running
        files = {file.name: file.stat().st_mtime_ns for file in self._folder.glob("[!.]*.json")}
        new = [name for name, changed in files.items() if self._files.get(name) != changed]
        self._files = files
        ranks = [json.loads((self._folder / name).read_text())["rank"] for name in new]
        return sorted(gone | {rank for rank in ranks if rank is not None})

    def _is_watched(self, process: Process, owners: dict[int, Running]) -> bool:
        """Return whether a process has to go on: the launcher's, and all in the program's own group.

        What a program starts in a group of its own it may stop as it likes.
        """
        if process.parent == os.getpid() or process.pid not in owners:
            return True
        leader = look_at(process.group)
        rank = owners[process.pid].pid
        return process.pid == rank or (leader is not None and rank in (leader.pid, leader.parent))

    def _computes(self, processes: list[Process], passed: float) -> bool:
        """Return whether any of the ranks has used the CPU, a disk or the network since the last look."""
        before, self._used = self._used, {one.pid: (one.seconds, bytes_moved(one.pid)) for one in processes}
        if before.keys() != self._used.keys() or any(one.state == WAITS_FOR_DISK for one in processes):
            return True
        seconds = sum(self._used[pid][0] - before[pid][0] for pid in before)
        moved = sum(self._used[pid][1] - before[pid][1] for pid in before)
        return seconds >= _BUSY_SHARE * passed or moved >= _BUSY_BYTES * passed


def read_running(folder: Path) -> dict[str, Running]:
    """Return the ranks that run on this host, by the name of their file."""
    found = {}
    for file in folder.glob("*.pid"):
        try:
            found[file.name] = Running(*map(int, file.read_text().split()))
        except (OSError, ValueError, TypeError):  # it has just ended
            continue
    return found


def _owners(processes: Iterable[Process], ranks: Iterable[Running]) -> Iterator[tuple[int, Running]]:
    """Yield each process of a rank, with the rank."""
    by_pid = {one.pid: one for one in ranks}
    owners: dict[int, Running] = {}
    for process in processes:  # each after its parent
        owner = by_pid.get(process.pid) or owners.get(process.parent)
        if owner:
            owners[process.pid] = owner
            yield process.pid, owner
