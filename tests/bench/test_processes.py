"""What processes use, on programs that use a known amount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from bench.processes import cpu_seconds, end, pss_bytes, tree
from tests.support import is_alive, wait_until

BURN = "import time\nwhile time.process_time() < {}: pass\n"
# One child that has ended and was collected, one that has left its parent behind, and itself.
FAMILY = f"""
import os, subprocess, sys, time
subprocess.run([sys.executable, "-S", "-c", {BURN.format(0.3)!r}])
if os.fork() == 0:
    if os.fork() == 0:
        {BURN.format(0.2).replace(chr(10), chr(10) + " " * 8)}
        sys.stdout.write("burnt\\n"); sys.stdout.flush(); sys.stdin.read()
    os._exit(0)
os.wait()
sys.stdin.read()
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    """Run the family until its orphan has burnt its share."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "burnt\n"
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        end(process.pid)
        process.wait(timeout=20)


def test_cpu_time_is_that_of_the_whole_tree(family: subprocess.Popen[str]) -> None:
    """A child that has ended and an orphan count; each burnt a known time, and starting Python takes some."""
    assert 0.47 <= cpu_seconds(family.pid) <= 1.5


def test_an_orphan_belongs_to_the_tree(family: subprocess.Popen[str]) -> None:
    """A process whose parent is gone is found by its session, and its memory counted."""
    assert len(tree(family.pid)) == 2
    assert pss_bytes(family.pid) > 2_000_000


def test_the_end_leaves_nothing(family: subprocess.Popen[str]) -> None:
    """Ending a tree ends its orphans too."""
    members = tree(family.pid)
    end(family.pid, grace=0.5)
    for pid in members:
        wait_until(lambda pid=pid: not is_alive(pid), timeout=20)  # type: ignore[misc]
