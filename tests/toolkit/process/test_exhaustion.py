"""What the kernel says of memory and disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlberth.process.exhaustion import full_disks, oom_kills


def test_kills_are_counted_by_cgroup_v2(tmp_path: Path) -> None:
    """memory.events of our own cgroup has the count, beside others that begin alike."""
    write(tmp_path / "proc/self/cgroup", "0::/job\n")
    write(tmp_path / "sys/fs/cgroup/job/memory.events", "low 0\noom 5\noom_kill 2\noom_group_kill 0\n")
    assert oom_kills(tmp_path) == 2


def test_kills_are_counted_by_cgroup_v1(tmp_path: Path) -> None:
    """In a container of v1 our path does not exist, and the mounted folder is our own."""
    write(tmp_path / "proc/self/cgroup", "9:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n")
    content = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
    write(tmp_path / "sys/fs/cgroup/memory/memory.oom_control", content)
    assert oom_kills(tmp_path) == 3


@pytest.mark.parametrize("content", ["oom_kill_disable 0\nunder_oom 0\n", None])
def test_kernel_that_does_not_count_is_none(tmp_path: Path, content: str | None) -> None:
    """An old kernel, or no cgroup at all, is not the same as no kill."""
    if content:
        write(tmp_path / "proc/self/cgroup", "9:memory:/\n")
        write(tmp_path / "sys/fs/cgroup/memory/memory.oom_control", content)
    assert oom_kills(tmp_path) is None


def test_disk_with_room_and_folder_that_is_not_there_are_not_full(tmp_path: Path) -> None:
    """Only what is there and has no room left is full."""
    assert full_disks([tmp_path, tmp_path / "gone"]) == []


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
