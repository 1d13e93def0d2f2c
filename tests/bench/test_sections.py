"""The section about several models and streams, from results that are known."""

from __future__ import annotations

from typing import Any

from bench import report, sections

MODELS: dict[str, Any] = {
    "machine": {"load": 1.5},
    "models": 20,
    "found": {
        "several models": {"mb_a_model": 18.0, "load_ms": 90.0, "unload_ms": 60.0, "request_us": 110.0},
        "multi-model-server": {"mb_a_model": 90.0, "load_ms": 900.0, "unload_ms": 20.0},
        "one model": {"request_us": 100.0},
    },
    "skipped": {},
}
STREAMS: dict[str, Any] = {
    "streams_at_once": 64,
    "ms_p50_p99": {
        "mlberth": {kind: [1, 2] for kind in ("first", "token", "first at once", "token at once")}
    },
}


LAUNCHERS: dict[str, Any] = {
    "runs": 7,
    "bar_s": 1.0,
    "results": {
        "mpi": {
            "bare_start_s": 0.3,
            "start_s": 0.6,
            "start_added_s": 0.31,
            "bare_step_us": 55.0,
            "step_us": 54.0,
        }
    },
}
FIFO: dict[str, Any] = {
    "record_bytes": 100000,
    "megabytes_per_second": {"cat": 100, "mlberth": 110},
    "share_of_cat": 1.1,
    "bar": 0.8,
}
JOBS: dict[str, Any] = {
    "cpus": 2,
    "load": 0.5,
    "empty": {
        "process": {"platform_s": 0.14, "without_s": 0.06, "added_s": 0.08},
        "docker": {"platform_s": 0.6, "without_s": 0.35, "added_s": 0.25},
    },
    "short": {"jobs": 200, "share_of_ideal": 0.85, "share_of_by_hand": 0.91},
    "listing_ms": 11.0,
}
FOUND = {
    "models": MODELS,
    "streams": STREAMS,
    "launchers": LAUNCHERS,
    "fifo": FIFO,
    "platform_jobs": JOBS,
}


def test_the_section_is_made_from_the_results() -> None:
    """A row for each server, with what was not measured left empty; what is around stays."""
    page = sections.with_section(f"a\n{sections.BEGIN}\nstale\n{sections.END}\nz\n", FOUND)
    assert page.startswith("a\n")
    assert page.endswith("\nz\n")
    assert "stale" not in page
    assert "| several models | 18.0 | 90.0 | 60.0 | 110.0 | 1.10 |" in page
    assert "| multi-model-server | 90.0 | 900.0 | 20.0 |  |  |" in page
    assert "| mlberth | 1 / 2 | 1 / 2 | 1 / 2 | 1 / 2 |" in page
    assert "| mpi | 0.3 | 0.6 | 0.31 | 55.0 | 54.0 |" in page
    assert "of 100 kB through a FIFO: 110 MB/s" in page
    assert (
        "| an empty training job in Docker, beside `docker run`: more, s | ≤ 1.5 | 0.25 (0.6 - 0.35) |"
        in page
    )
    assert "| 200 jobs of a second, 4 at once, of the ideal | ≥ 0.9 | 0.85 |" in page
    assert sections.with_section(page, FOUND) == page


def test_the_page_is_what_the_results_say() -> None:
    """Nobody has edited it."""
    before = report.PAGE.read_text()
    assert sections.with_section(before, sections.results()) == before
