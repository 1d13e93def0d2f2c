"""Keeps the figures of a run in a file, where `make faults` makes its tables from them."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from tests.serve.running import require_nginx

_ROW = re.compile(r"test_(?:row_)?(\d+b?)_")


@pytest.fixture
def nginx() -> None:
    """Skip a test of the whole server where nginx is not installed."""
    require_nginx()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has passed before a run was cut off: MLBERTH_FIGURES names the file of that run."""
    path = os.environ.get("MLBERTH_FIGURES")
    passed = {one["id"] for one in told(Path(path)) if one["passed"]} if path else set()
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
    items[:] = [item for item in items if item.nodeid not in passed]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Append the figures that a test has printed, or that it has ended, to the file MLBERTH_FIGURES."""
    path = os.environ.get("MLBERTH_FIGURES")
    if not path or report.when != "call":
        return
    row = _ROW.search(report.nodeid)
    common = {"row": row[1] if row else "", "id": report.nodeid, "passed": report.passed}
    common["seconds"] = round(report.duration, 1)
    printed = [line for line in report.capstdout.splitlines() if line.startswith('{"fault"')]
    with Path(path).open("a") as file:
        for line in printed or ["{}"]:
            file.write(json.dumps(common | json.loads(line)) + "\n")


def told(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file of figures, if there is one; the last may have been cut off."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]
