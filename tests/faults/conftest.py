"""Keeps the lines of figures of a run in a file, where `make faults` makes its table from them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

_ROW = re.compile(r"test_(?:row_)?(\d+b?)_")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Append the figures that a test has printed to the file that MLBERTH_FIGURES names."""
    target = os.environ.get("MLBERTH_FIGURES")
    if not target or report.when != "call":
        return
    row = _ROW.search(report.nodeid)
    told = {"row": row[1] if row else "", "id": report.nodeid, "passed": report.passed}
    with Path(target).open("a") as file:
        for line in report.capstdout.splitlines():
            if line.startswith('{"fault"'):
                file.write(json.dumps(told | json.loads(line)) + "\n")
