"""Signals to one process and signals to all: a program gets each once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import is_alive, wait_until

from mlberth.process.descendants import descendants

SUPERVISOR = """
import json, os, sys
from mlberth.process.children import witness_for
from mlberth.process.descendants import descendants
from mlberth.process.signals import SignalQueue
from mlberth.process.supervise import supervise
argv = [sys.executable, "-c", sys.argv[1]]
with SignalQueue() as signals, witness_for(os.environ) as witness:
    outcome = supervise(argv, env=dict(os.environ), signals=signals, grace=10, witness=witness)
print(json.dumps({"stopped_by": outcome.stopped_by, "code": outcome.exit_code, "left": descendants()}))
"""
# Counts what reaches it, and ends well a while after SIGTERM.
COUNTER = """
import collections, json, pathlib, signal, time
counts = collections.Counter()
numbers = {signal.SIGTERM, signal.SIGUSR1, signal.SIGCONT}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
file = pathlib.Path("counts.json")
end = None
while end is None or time.monotonic() < end:
    file.with_suffix(".new").write_text(json.dumps(counts))
    file.with_suffix(".new").replace(file)
    if found := signal.sigtimedwait(numbers, 0.05):
        counts[signal.Signals(found.si_signo).name] += 1
        if found.si_signo == signal.SIGTERM:
            end = time.monotonic() + 0.6
"""


@contextmanager
def supervised(folder: Path, code: str = COUNTER, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a supervisor whose program has begun to count; kill it if it is still there."""
    argv = [sys.executable, "-c", SUPERVISOR, code]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    with subprocess.Popen(
        argv, cwd=folder, env=outside | environ, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        try:
            wait_until((folder / "counts.json").exists)
            yield supervisor
        finally:
            supervisor.kill()


def counts(folder: Path) -> dict[str, int]:
    """Return how often each signal has reached the program so far."""
    found: dict[str, int] = json.loads((folder / "counts.json").read_text())
    return found


def signal_all(supervisor: subprocess.Popen[str], *numbers: int) -> None:
    """Signal the supervisor and everything below it, as Slurm does."""
    for number in numbers:
        for pid in [supervisor.pid, *descendants(supervisor.pid)]:
            os.kill(pid, number)


def end_of(supervisor: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the supervisor says at its end."""
    out, _ = supervisor.communicate(timeout=30)
    said: dict[str, Any] = json.loads(out)
    return said


@pytest.mark.parametrize("environ", [{}, {"SLURM_JOB_ID": "7"}], ids=["elsewhere", "Slurm"])
def test_signal_to_the_supervisor_alone_is_passed_on(tmp_path: Path, environ: dict[str, str]) -> None:
    """That is what `docker stop` and `kill` do, below Slurm as well."""
    with supervised(tmp_path, **environ) as supervisor:
        supervisor.send_signal(signal.SIGUSR1)
        wait_until(lambda: counts(tmp_path).get("SIGUSR1"))
        supervisor.send_signal(signal.SIGTERM)
        assert end_of(supervisor) == {"stopped_by": signal.SIGTERM, "code": 0, "left": []}
    assert counts(tmp_path) == {"SIGUSR1": 1, "SIGTERM": 1}


def test_signal_to_all_is_not_passed_on(tmp_path: Path) -> None:
    """Each counts for itself: one to all, one to the supervisor alone, and a stop to all."""
    with supervised(tmp_path, SLURM_JOB_ID="7") as supervisor:
        signal_all(supervisor, signal.SIGUSR1)
        wait_until(lambda: counts(tmp_path).get("SIGUSR1"))
        supervisor.send_signal(signal.SIGUSR1)
        wait_until(lambda: counts(tmp_path)["SIGUSR1"] == 2)
        signal_all(supervisor, signal.SIGCONT, signal.SIGTERM)
        supervisor.send_signal(signal.SIGTERM)  # by what runs containers, for one
        assert end_of(supervisor) == {"stopped_by": signal.SIGTERM, "code": 0, "left": []}
    assert counts(tmp_path) == {"SIGUSR1": 2, "SIGCONT": 1, "SIGTERM": 1}


def test_program_that_a_signal_to_all_ends_was_stopped(tmp_path: Path) -> None:
    """It may end before the signal has reached its supervisor, which must not call that a crash."""
    code = "import pathlib, time; pathlib.Path('counts.json').touch(); time.sleep(60)"
    with supervised(tmp_path, code, SLURM_JOB_ID="7") as supervisor:
        below = descendants(supervisor.pid)
        assert len(below) == 2
        for pid in [*below, supervisor.pid]:
            os.kill(pid, signal.SIGTERM)
        assert end_of(supervisor) == {"stopped_by": signal.SIGTERM, "code": 143, "left": []}
    assert not any(map(is_alive, below))


def test_killed_supervisor_leaves_no_witness(tmp_path: Path) -> None:
    """It ends by itself; the kernel ends the program."""
    with supervised(tmp_path, SLURM_JOB_ID="7") as supervisor:
        below = descendants(supervisor.pid)
        supervisor.kill()
        wait_until(lambda: not any(map(is_alive, below)))


def test_killed_witness_sees_nothing(tmp_path: Path) -> None:
    """Signals are passed on then, as they are without one."""
    with supervised(tmp_path, SLURM_JOB_ID="7") as supervisor:
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants(supervisor.pid)}
        (witness,) = [pid for pid, command in commands.items() if "witness_for" in command]
        os.kill(witness, signal.SIGKILL)
        supervisor.send_signal(signal.SIGTERM)
        assert end_of(supervisor)["code"] == 0
    assert counts(tmp_path) == {"SIGTERM": 1}
