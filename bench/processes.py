"""What a server's processes use: CPU time and memory of a whole tree, whatever it forks and reaps.

A server is started in a session of its own, so that what it orphans is still counted, and ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


def tree(pid: int) -> set[int]:
    """Return a process, its descendants, and what was left behind in the session that it leads."""
    stats = dict(_stats())
    found = {one for one, fields in stats.items() if int(fields[3]) == pid} | {pid}
    while more := {one for one, fields in stats.items() if int(fields[1]) in found} - found:
        found |= more
    return found & stats.keys()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a tree has used so far, in seconds, with the children that it has reaped.

    A process that nobody in the tree has reaped yet still counts, as itself.
    """
    stats = dict(_stats())
    return sum(sum(map(int, stats[one][11:15])) for one in tree(pid) if one in stats) / TICKS


def pss_bytes(pid: int) -> int:
    """Return the memory of a tree in bytes, shared pages counted by share."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(*_GONE):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def end(pid: int, *, grace: float = 10.0) -> None:
    """Stop a tree: TERM to its root, then to what that leaves, then KILL. Its parent is to collect it."""
    left, told = {pid} | tree(pid), {pid}
    _signal({pid}, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and (alive := _alive(left := left | tree(pid))):
        if pid not in alive:  # a root that ends by itself leaves the others to us
            _signal(alive - told, signal.SIGTERM)
            told |= alive
        time.sleep(0.05)
    _signal(_alive(left), signal.SIGKILL)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _alive(pids: set[int]) -> set[int]:
    stats = dict(_stats())
    return {pid for pid in pids if pid in stats and stats[pid][0] not in "ZX"}


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of every process from its state on: state, parent, group, session."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(*_GONE), open(f"/proc/{entry.name}/stat") as file:  # noqa: PTH123 - a path object costs more than the read
                yield int(entry.name), file.read().rpartition(")")[2].split()
