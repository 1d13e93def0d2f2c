"""Less than a program would like to have: mounts of its own, and a cgroup with little memory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def mounting(*commands: str) -> list[str]:
    """Return what a command is to follow that is to see mounts of its own; skips where there are none."""
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    try:
        done = subprocess.run([*alone, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if done.returncode:
        pytest.skip("namespaces cannot be made here")
    return [*alone, "sh", "-c", " && ".join([*commands, 'exec "$@"']), "sh"]


def memory_cgroup(limit: int) -> Path:
    """Return a new cgroup with a limit of memory, v1 or v2."""
    top = Path("/sys/fs/cgroup")
    v1 = (top / "memory").is_dir()
    folder = (top / "memory" if v1 else top) / f"mlberth-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(str(limit))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no cgroup with a limit can be made here: {error.strerror}")
    return folder
