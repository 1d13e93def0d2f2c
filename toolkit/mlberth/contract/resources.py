"""The CPUs, memory and accelerators that this process may use.

A container sees all of the host's CPUs; what it may use is the least of its affinity mask and its
cgroup's quota. `root` stands for `/`, so that tests read a tree of their own.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

from mlberth.envvars import whole

ROOT = Path("/")
_NVIDIA_DEVICE = "nvidia"
_NEURON_TIMEOUT = 10


def cpu_count(root: Path = ROOT, affinity: int | None = None) -> int:
    """Return how many CPUs this process can keep busy, at least 1."""
    usable = affinity or len(os.sched_getaffinity(0))
    quota = _cpu_quota(root)
    return max(1, min(usable, math.ceil(quota)) if quota else usable)


def memory_limit(root: Path = ROOT) -> int:
    """Return how many bytes of memory this process may use: the cgroup's limit or all there is."""
    total = _total_memory(root)
    limits = [total]
    for folder in cgroup_folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text and text.isdigit():
                limits.append(int(text))
    return min(limits)


def memory_left(root: Path = ROOT) -> int:
    """Return how many more bytes this process and its children can have before the kernel kills one of them.

    Files that the kernel has cached do not count: it drops them first.
    """
    left = [_available_memory(root)]
    for folder in cgroup_folders(root, "memory"):
        for limit_name, usage_name, cached_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, usage = _read(folder / limit_name) or "", _read(folder / usage_name) or ""
            if limit.isdigit() and usage.isdigit():
                lines = (_read(folder / "memory.stat") or "").splitlines()
                cached = dict(line.split(maxsplit=1) for line in lines if " " in line)
                left.append(int(limit) - int(usage) + int(cached.get(cached_name, 0)))
    return max(0, min(left))


def gpu_count(root: Path = ROOT) -> int:
    """Return how many NVIDIA GPUs are handed to this process.

    The device files are counted: a container runtime shows only those that it hands
    over, and looking starts no process (`nvidia-smi` takes a second on a large machine).
    """
    try:
        names = os.listdir(root / "dev")  # noqa: PTH208 - names alone
    except OSError:
        return 0
    return sum(name.startswith(_NVIDIA_DEVICE) and name[len(_NVIDIA_DEVICE) :].isdigit() for name in names)


def count_visible(selection: str | None, gpus: int) -> int:
    """Return how many of a machine's GPUs CUDA shows for CUDA_VISIBLE_DEVICES: those before an unknown one.

    Inside the process they are numbered from 0, whichever they are.
    """
    if selection is None:
        return gpus
    names = [name.strip() for name in selection.split(",")]
    known = [name.startswith(("GPU-", "MIG-")) or _is_number_below(gpus, name) for name in names]
    return min(gpus, [*known, False].index(False))


def _is_number_below(limit: int, text: str) -> bool:
    try:
        return text.isdecimal() and whole(text) < limit
    except ValueError:
        return False


def read_resident(pid: int, proc: Path = Path("/proc")) -> int | None:
    """Return a process's RSS in bytes, None if it is gone."""
    try:
        pages = int((proc / str(pid) / "statm").read_bytes().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") or None  # a dead process that nobody has reaped has none


def neuron_count(root: Path = ROOT, find: Callable[[str], str | None] | None = None) -> int:
    """Return how many AWS Neuron cores `neuron-ls` reports; 0 if there is no such device or tool."""
    if not (root / "dev" / "neuron0").exists():
        return 0
    import shutil
    import subprocess

    tool = (find or shutil.which)("neuron-ls")
    if not tool:
        return 0
    try:
        listing = subprocess.run([tool, "-j"], capture_output=True, timeout=_NEURON_TIMEOUT, check=True)
        return sum(int(device["nc_count"]) for device in json.loads(listing.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return 0


def _cpu_quota(root: Path) -> float | None:
    """Return the tightest quota of our cgroup and those above it, in CPUs."""
    quotas = []
    for folder in cgroup_folders(root, "cpu"):
        limit = (_read(folder / "cpu.max") or "").split()  # v2: "150000 100000" or "max 100000"
        if not limit:  # v1
            limit = [_read(folder / "cpu.cfs_quota_us") or "", _read(folder / "cpu.cfs_period_us") or ""]
        if len(limit) == 2 and limit[0].isdigit() and limit[1].isdigit():
            quotas.append(int(limit[0]) / int(limit[1]))
    return min(quotas, default=None)


def cgroup_folders(root: Path, controller: str) -> list[Path]:
    """Return the folders of our cgroup and of those above it, for cgroup v2 and v1.

    In a container with a cgroup namespace our own path is `/` and there is one folder.
    """
    folders = []
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            top = root / "sys/fs/cgroup" / controller
        else:
            continue
        own = top / path.lstrip("/")
        folders += [own, *[parent for parent in own.parents if parent.is_relative_to(top)]]
    return folders


def _total_memory(root: Path) -> int:
    return _meminfo(root, "MemTotal") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _available_memory(root: Path) -> int:
    return _meminfo(root, "MemAvailable") or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _meminfo(root: Path, name: str) -> int | None:
    for line in (_read(root / "proc/meminfo") or "").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="surrogateescape").strip()  # a cgroup may have any name
    except OSError:
        return None
