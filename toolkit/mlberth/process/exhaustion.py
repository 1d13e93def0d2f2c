"""Memory and disks that ran out: the kernel's count of its kills, and the space that is left."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mlberth.contract.resources import ROOT, cgroup_folders

# cgroup v2, and v1.
_COUNTERS = ("memory.events", "memory.oom_control")
_FULL_BYTES = 64 * 1024  # a few blocks are often left of a disk that refuses the next write


def oom_kills(root: Path = ROOT) -> int | None:
    """Return how many processes of our cgroup the kernel has killed for lack of memory.

    None if it does not count them for us.
    """
    for folder in cgroup_folders(root, "memory"):
        for name in _COUNTERS:
            try:
                lines = (folder / name).read_text().splitlines()
            except OSError:
                continue
            counts = dict(line.split(maxsplit=1) for line in lines if " " in line)
            if "oom_kill" in counts:
                return int(counts["oom_kill"])
    return None


def full_disks(folders: Iterable[Path]) -> list[Path]:
    """Return the folders whose file system has no room left, in space or in number of files."""
    return [folder for folder in folders if _is_full(folder)]


def _is_full(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    if disk.f_flag & os.ST_RDONLY:
        return False
    no_space = disk.f_blocks > 0 and disk.f_bavail * disk.f_frsize < _FULL_BYTES
    return no_space or (disk.f_files > 0 and disk.f_favail == 0)
