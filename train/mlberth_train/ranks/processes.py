"""The processes below another one, as the kernel sees them: state, group, CPU time and bytes moved."""

from __future__ import annotations

import os
from pathlib import Path

from mlberth._typing import NamedTuple

STOPPED, WAITS_FOR_DISK = "T", "D"
_PROC = Path("/proc")
_ENDED = ("Z", "X")


class Process(NamedTuple):
    """One look at a process."""

    pid: int
    parent: int
    group: int
    state: str
    """A letter: `T` is stopped by a signal; `t`, stopped by a debugger, is another."""
    seconds: float
    """CPU time so far."""


def processes_below(parent: int) -> list[Process]:
    """Return the living processes below one, each after its parent."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir(_PROC):  # noqa: PTH208 - names alone
        if name.isdigit() and (process := look_at(int(name))):
            children.setdefault(process.parent, []).append(process)
    found = children.get(parent, [])
    for process in found:
        found += children.get(process.pid, [])
    return found


def look_at(pid: int) -> Process | None:
    """Return what a process does now; None if it has ended."""
    try:
        # "PID (COMMAND) STATE PPID PGRP …": the command may hold blanks and brackets, so cut at the last one.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    state = fields[0].decode()
    if state in _ENDED:
        return None
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return Process(pid, int(fields[1]), int(fields[2]), state, used)


def bytes_moved(pid: int) -> int:
    """Return how many bytes a process has read and written so far; 0 if the kernel does not say."""
    try:
        lines = (_PROC / str(pid) / "io").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))
