"""The page of sizes and limits: its figures are those that were measured."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/sizes.md").read_text()


def test_hosts_are_those_of_the_benchmark() -> None:
    found = json.loads((ROOT / "bench/results/hosts.json").read_text())["hosts"]
    assert list(found) == ["10", "100", "1000"]
    for hosts, figures in found.items():
        assert f"| {hosts} | {figures['start_ms']} | {figures['look_ms']} | " in PAGE
        share = figures["look_ms"] / 100
        assert f"{share:.0%}".replace("%", " %") in PAGE or f"{share * 100:.1g} % of a CPU" in PAGE


def test_requests_are_those_of_the_performance_page() -> None:
    """The costs of a request that the sums begin with."""
    page = (ROOT / "docs/explanation/performance.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| mlberth | "))
    assert "78.6 µs" in row
    assert "1 330 µs" in row
    assert "78.6 µs" in PAGE
    assert "1330 µs" in PAGE
