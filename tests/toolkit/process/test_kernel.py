"""What the supervisors ask of Linux for themselves and their children."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
from mlberth.process.kernel import use_batch_scheduling
os.sched_setscheduler(0, int(sys.argv[1]), os.sched_param(0))
use_batch_scheduling()
print(os.sched_getscheduler(0))
"""


@pytest.mark.parametrize(
    ("chosen", "expected"), [(os.SCHED_OTHER, os.SCHED_BATCH), (os.SCHED_IDLE, os.SCHED_IDLE)]
)
def test_batch_scheduling_is_taken_unless_somebody_has_chosen(chosen: int, expected: int) -> None:
    """Only the policy that every process has is changed."""
    argv = [sys.executable, "-c", CODE, str(chosen)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == expected
