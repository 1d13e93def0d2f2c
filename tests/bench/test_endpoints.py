"""The section about endpoints, from results that are known."""

from __future__ import annotations

import json
from typing import Any

from bench import report
from bench.endpoints import section, shadow
from bench.endpoints.__main__ import FILE

ONE = {"requests": 2000, "failed": 0, "p50_ms": 1.25, "p99_ms": 4.0, "changes": None}
COST = {"gateway_bytes": 30_000_000, "daemon_bytes": 60_000_000, "request_us": 50.0}
FOUND: dict[str, Any] = {
    "date": "2026-01-02",
    "machine": {"cpus": 2, "cpu": "a CPU", "linux": "6.1", "python": "3.11.7", "load_average": 1.5},
    "pace": {"rate": 100.0, "seconds": 20.0, "update_rate": 500.0},
    "features": {"plain": ONE, "rolling": {**ONE, "failed": 1, "changes": 7}},
    "update": {**ONE, "requests": 100_000, "changes": 40},
    "shadow": {
        kind: {**ONE, "p99_ms": p99}
        for kind, p99 in ((shadow.NONE, 4.0), (shadow.DEAD, 4.1), (shadow.HUNG, 4.0), (shadow.SLOW, 5.0))
    },
    "cold_start": {"rounds": 5, "own_s": 0.7, "setup_s": 0.9, "request_s": 0.95},
    "idle": {"endpoints": 1001, "one": COST, "many": {**COST, "gateway_bytes": 32_500_000}},
}


def test_the_section_is_made_from_the_results() -> None:
    """A row for each feature, a verdict for each bar; what is around stays."""
    page = section.with_section(f"a\n{section.BEGIN}\nstale\n{section.END}\nz\n", FOUND)
    assert page.startswith("a\n")
    assert page.endswith("\nz\n")
    assert "stale" not in page
    assert "| plain | 2,000 | 0 | 1.2 | 4.0 |  |" in page
    assert "| rolling | 2,000 | 1 | 1.2 | 4.0 | 7 |" in page
    assert section.with_section(page, FOUND) == page
    verdicts = [verdict for *_, verdict in section.bars(FOUND)]
    reached, missed = "reached", "missed"
    assert verdicts == [missed, reached, reached, reached, missed, reached, missed, reached, reached]
    values = [value for _, _, value, _ in section.bars(FOUND)]
    assert values[:3] == ["1 of 4,000", "0 of 100,000 in 40 updates", "1.02"]
    assert values[5:] == ["0.20 s: 0.90 - 0.70", "2.50 kB", "92 MB", "1.00"]


def test_the_page_is_what_the_results_say() -> None:
    """Nobody has edited it."""
    before = report.PAGE.read_text()
    found = json.loads(FILE.read_text()) if FILE.exists() else None
    assert section.with_section(before, found) == before
