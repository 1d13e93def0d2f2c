"""CPU time and memory of a host, from /proc or from what Docker counts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlberth.contract.resources import read_resident
from mlberth_local.engines.base import Usage

_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_MAX_WALKED = 2 << 30
"""In bytes. To work out what a process shares holds it up, for about 20 ms a GB: large ones are spared."""
_TIMES = (11, 12, 13, 14)
"""Where its `stat` has, after its name, user and system time, its own and its ended children's."""


def of_processes(pids: Iterable[int], proc: Path = Path("/proc")) -> Usage:
    """Return what some processes use together; of memory that they share each counts a part."""
    ticks = memory = 0
    for pid in pids:
        try:
            words = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has ended
            continue
        ticks += sum(int(words[place]) for place in _TIMES)
        memory += _memory(pid, proc)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), memory)


def parts(usage: Usage, before: tuple[float, float] | None, now: float, memory: int) -> dict[str, float]:
    """Return which parts of some memory, and of a core, are used, by the names of their metrics.

    `before` is when the CPU time was looked at last, and how much it was then; without it, and at once after
    it, that of the core is not known.
    """
    found = {"MemoryUtilization": usage.memory / memory}
    then, seconds = before or (now, 0.0)
    if now > then:
        found["CPUUtilization"] = max(0.0, usage.cpu_seconds - seconds) / (now - then)
    return found


def _memory(pid: int, proc: Path) -> int:
    resident = read_resident(pid, proc) or 0
    if resident > _MAX_WALKED:
        return resident
    try:
        found = _PSS.search((proc / str(pid) / "smaps_rollup").read_bytes())
    except OSError:
        return resident
    return int(found[1]) * 1024 if found else resident


def of_statistics(found: Mapping[str, Any]) -> Usage | None:
    """Return what a container uses, by Docker's statistics; None if it does not run."""
    memory = found.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    # Files that nobody maps can be had back at any time; the two versions of cgroups name them differently.
    details = memory.get("stats") or {}
    files = details.get("total_inactive_file", details.get("inactive_file", 0))
    return Usage(found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, max(0, memory["usage"] - files))
