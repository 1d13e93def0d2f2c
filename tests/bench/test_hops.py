"""The way of a warm prediction, which a reader can follow: few modules, and few changes of file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOUND = re.compile(r"^(?P<case>.+): \d+ calls in (\d+) modules, (\d+) changes of file$", re.MULTILINE)
LIMITS = {"scikit-learn": (10, 20), "a handler that does nothing": (11, 20)}
"""Modules, and changes of file: what is beyond them has to be worth it (docs/adr/0007-rooms.md)."""


def test_a_prediction_crosses_few_modules() -> None:
    """From the event that wakes the worker to its next wait."""
    argv = [sys.executable, "-m", "bench.hops", "--without-nginx"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {case: (int(modules), int(changes)) for case, modules, changes in FOUND.findall(done.stdout)}
    assert found.keys() == LIMITS.keys(), done.stdout + done.stderr
    for case, (modules, changes) in LIMITS.items():
        assert found[case][0] <= modules, done.stdout
        assert found[case][1] <= changes, done.stdout
