"""The private folder: nothing of it outlives its server for long, and nobody else's is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import wait_until

MAKE = """
import sys, tempfile
from mlberth_serve.shared.run_directory import RunDirectory
print(RunDirectory.create().path, flush=True)
sys.stdin.read()
"""


def begin(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that makes a folder, and return both."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE],
        env=os.environ | {"TMPDIR": str(parent)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process."""
    process.kill()
    process.communicate()


def test_next_start_removes_what_a_killed_server_left(tmp_path: Path) -> None:
    """A folder whose server was killed goes; that of a server that lives, and anything else, stays."""
    killed, left = begin(tmp_path)
    living, used = begin(tmp_path)
    foreign = tmp_path / "mlberth-serve-foreign"
    foreign.mkdir()
    target = tmp_path / "target"
    target.mkdir()
    (target / "lock").touch()
    (tmp_path / "mlberth-serve-link").symlink_to(target)
    assert left.is_dir()
    end(killed)
    third, made = begin(tmp_path)
    try:
        wait_until(lambda: not left.exists(), timeout=20)
        assert {used, foreign, target, made, tmp_path / "mlberth-serve-link"} == set(tmp_path.iterdir())
        assert used.stat().st_mode & 0o777 == 0o700
        assert (target / "lock").exists()
    finally:
        end(living)
        end(third)
