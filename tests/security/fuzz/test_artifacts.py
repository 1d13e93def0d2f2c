"""Checkpoints and unpacked archives whose writers are killed at random system calls, or whose disk fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.security.fuzz.fuzzing import SEED, Fuzzer
from tests.security.fuzz.publishing import OLD, WRITERS, check_checkpoint, save

ROOT = Path(__file__).parents[3]
KILLS = {"checkpoint": (10, 600), "archive": (6, 300), "state": (4, 100)}
# The first mkdir(2) is that of the folder itself, which is there already.
ERRORS = {
    "fsync:error=EIO": 1,
    "rename:error=EIO": 1,
    "rename:error=ENOSPC": 1,
    "write:error=ENOSPC": 1,
    "mkdir:error=EROFS": 2,
}
"""What fails, and from which call on it is in the way."""
PROGRAM = (
    "import sys; from pathlib import Path; from tests.security.fuzz.publishing import NEW, save; "
    "save(Path(sys.argv[1]), 2, NEW)"
)


def python(*words: str) -> list[str]:
    """Return the command that runs Python here."""
    return [sys.executable, *words]


@pytest.mark.parametrize("name", WRITERS)
def test_kill_at_any_system_call_leaves_the_old_or_the_new(tmp_path: Path, name: str) -> None:
    """Whenever a writer dies, what it writes is as before or whole, and the next writer goes on."""
    short, long = KILLS[name]
    fuzzer = Fuzzer(f"kills-{name}", short=short, long=long)
    times = len(list(fuzzer.numbers()))
    stops, problems = kill(tmp_path / "work", name, times)
    fuzzer.report(kills=times, stops=stops, torn=len(problems))
    assert problems == []
    assert stops > 20


def test_torn_file_is_noticed(tmp_path: Path) -> None:
    """A file that is written in place is found empty after one kill or another."""
    _, problems = kill(tmp_path / "work", "careless", 40)
    assert problems


def kill(folder: Path, name: str, times: int) -> tuple[int, list[str]]:
    """Kill a writer at random; return how many stops it has, and what was wrong."""
    command = python("-m", "tests.security.fuzz.publishing", name, str(folder), str(times), str(SEED))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600, check=True)
    stops, *problems = done.stdout.splitlines()
    if stops == "not allowed":
        pytest.skip("no process may trace another here")
    return int(stops), problems


@pytest.mark.parametrize("fault", ERRORS)
def test_disk_that_fails_leaves_the_old_or_the_new(tmp_path: Path, fault: str) -> None:
    """A call that fails, whichever it is, ends the save with an error and leaves the checkpoint before it."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    fuzzer = Fuzzer(f"disk-{fault}", short=1, long=20)
    folder = tmp_path / "checkpoints"
    failed = 0
    for number in fuzzer.numbers():
        shutil.rmtree(folder, ignore_errors=True)
        save(folder, 1, OLD)
        when = ERRORS[fault] + fuzzer.chance(number).choice([0, 0, 1])
        argv = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={fault}:when={when}"]
        argv += python("-B", "-c", PROGRAM, str(folder))
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        failed += done.returncode != 0
        if problem := check_checkpoint(folder):
            fuzzer.fail(number, problem, done.stderr.encode())
    fuzzer.report(failed=failed, torn=len(fuzzer.failures))
    assert fuzzer.failures == []
    assert failed
