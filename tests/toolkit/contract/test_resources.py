"""What a container may use of its machine, read from trees of files like the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlberth.contract.resources import cpu_count, gpu_count, memory_left, memory_limit, neuron_count


def write(root: Path, **files: str) -> Path:
    """Write files whose names have `__` for `/`."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(("limit", "cpus"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1)])
def test_cgroup_v2_quota(tmp_path: Path, limit: str, cpus: int) -> None:
    """A quota is rounded up to whole CPUs, and never below one."""
    root = write(tmp_path, proc__self__cgroup="0::/job\n")
    (root / "sys/fs/cgroup/job").mkdir(parents=True)
    (root / "sys/fs/cgroup/job/cpu.max").write_text(limit)
    assert cpu_count(root, affinity=8) == cpus


def test_tighter_quota_above_counts(tmp_path: Path) -> None:
    """The least quota on the way up is the one that holds."""
    root = write(tmp_path, proc__self__cgroup="0::/a/b\n")
    (root / "sys/fs/cgroup/a/b").mkdir(parents=True)
    (root / "sys/fs/cgroup/a/cpu.max").write_text("200000 100000")
    (root / "sys/fs/cgroup/a/b/cpu.max").write_text("400000 100000")
    assert cpu_count(root, affinity=8) == 2


def test_cgroup_v1_quota_and_memory(tmp_path: Path) -> None:
    """Cgroup v1 keeps CPU and memory in files of their own."""
    root = write(
        tmp_path,
        proc__self__cgroup="5:cpu,cpuacct:/\n4:memory:/\n",
        proc__meminfo="MemTotal: 1000 kB\n",
        sys__fs__cgroup__cpu__cpu_cfs="",
    )
    folder = root / "sys/fs/cgroup/cpu"
    (folder / "cpu.cfs_quota_us").write_text("300000")
    (folder / "cpu.cfs_period_us").write_text("100000")
    (root / "sys/fs/cgroup/memory").mkdir()
    (root / "sys/fs/cgroup/memory/memory.limit_in_bytes").write_text("5000")
    assert (cpu_count(root, affinity=8), memory_limit(root)) == (3, 5000)


def test_affinity_alone(tmp_path: Path) -> None:
    """Without a quota the affinity mask counts, and without a limit all memory."""
    root = write(tmp_path, proc__meminfo="MemTotal: 2 kB\n")
    assert (cpu_count(root, affinity=3), memory_limit(root)) == (3, 2048)


def test_gpus_are_the_device_files(tmp_path: Path) -> None:
    """Control devices are not GPUs."""
    write(tmp_path, dev__nvidia0="", dev__nvidia1="", dev__nvidiactl="", dev__null="")
    (tmp_path / "dev/nvidia-uvm").touch()
    assert (gpu_count(tmp_path), gpu_count(tmp_path / "nowhere")) == (2, 0)


def test_neuron_cores_are_what_the_tool_says(tmp_path: Path) -> None:
    """The cores of every device are added up; a tool that fails counts as none."""
    write(tmp_path, dev__neuron0="")
    tool = tmp_path / "neuron-ls"
    tool.write_text('#!/bin/sh\necho \'[{"nc_count": 2}, {"nc_count": 2}]\'\n')
    tool.chmod(0o755)
    assert neuron_count(tmp_path, find=lambda _: str(tool)) == 4
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert neuron_count(tmp_path, find=lambda _: str(tool)) == 0
    assert neuron_count(tmp_path, find=lambda _: None) == 0


def test_name_of_a_cgroup_need_not_be_text(tmp_path: Path) -> None:
    """The kernel takes any bytes for one."""
    root = write(tmp_path, proc__meminfo="MemTotal: 2 kB\n", proc__self__cgroup="")
    (root / "proc/self/cgroup").write_bytes(b"0::/\xff\n")
    folder = root / os.fsdecode(b"sys/fs/cgroup/\xff")
    folder.mkdir(parents=True)
    (folder / "memory.max").write_text("100")
    assert memory_limit(root) == 100


def test_memory_that_is_left_is_the_least_of_all_limits(tmp_path: Path) -> None:
    """Of the machine and each cgroup; what the kernel has cached of files is no use of memory."""
    root = write(
        tmp_path,
        proc__meminfo="MemTotal: 1000 kB\nMemAvailable: 900 kB\n",
        proc__self__cgroup="0::/a\n",
    )
    assert memory_left(root) == 900 * 1024
    folder = root / "sys" / "fs" / "cgroup" / "a"
    folder.mkdir(parents=True)
    for name, text in (("memory.max", "500000"), ("memory.current", "300000")):
        (folder / name).write_text(text)
    (folder / "memory.stat").write_text("anon 1\ninactive_file 100000\n")
    assert memory_left(root) == 300_000
    (folder / "memory.current").write_text("900000")
    assert memory_left(root) == 0
    (folder / "memory.max").write_text("max")
    assert memory_left(root) == 900 * 1024
