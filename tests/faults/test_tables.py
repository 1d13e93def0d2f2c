"""The tables that `make faults` writes from the figures of its tests."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """Return the script that writes them."""
    spec = spec_from_file_location("write_faults", ROOT / "scripts/write_faults.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def figures(name: str, **others: Any) -> dict[str, Any]:
    """Return the line of a test that has passed."""
    common = {"row": "16", "id": f"test_ranks.py::test_16_{name}", "passed": True, "seconds": 1.0}
    return {**common, "fault": name, "n": 3, "failed": 0, "recovery_ms": 900, **others}


def test_row_of_several_faults_has_its_slowest_and_all_its_failures(
    tmp_path: Path, tables: ModuleType
) -> None:
    """A test that failed before it had figures counts as a failure."""
    lines = [
        figures("kill", reason="killed by SIGKILL"),
        figures("cut", recovery_ms=16100, failed=1),
        {"row": "16", "id": "test_ranks.py::test_16_stop", "passed": False, "seconds": 1.0},
    ]
    file = tmp_path / "faults.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = tables.read(file)
    targets = "\n".join(tables.target_table(told))
    assert "hosts without the reason | 0 | 2 of 6 |" in targets
    assert "≤ 30 s | 16.1 s |" in targets
    assert "A soak: requests | 0 failed | not measured |" in targets
    assert "| 16 | kill | 3 | 0 | 900 ms |  | reason killed by SIGKILL |" in tables.fault_table(told.values())
