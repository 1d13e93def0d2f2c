"""The section of docs/explanation/performance.md about several models, data capture and streams.

    python -m bench.sections

writes it again from bench/results/models.json and streams.json, of `bench.models` and `bench.streams`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.report import PAGE, table

RESULTS = Path(__file__).parent / "results"
BEGIN = "<!-- Made by `python -m bench.sections` from bench/results. Measure again, do not edit. -->"
END = "<!-- The end of this section. -->"
_STREAMS = ("first", "token", "first at once", "token at once")


def write() -> None:
    """Write the section afresh."""
    found = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in ("models", "streams")}
    PAGE.write_text(with_section(PAGE.read_text(), found["models"], found["streams"]))


def with_section(page: str, models: Mapping[str, Any], streams: Mapping[str, Any]) -> str:
    """Return a page with what is between its markers made afresh."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, "the page has no markers"
    return "\n".join([before + BEGIN, "", *section(models, streams), "", END]) + after


def section(models: Mapping[str, Any], streams: Mapping[str, Any]) -> list[str]:
    """Return the tables of one run of each."""
    found = models["found"]
    one = found["one model"]["request_us"]
    head = ("", "MB a further model", "load, ms", "unload, ms", "CPU µs a request", "of one model's")
    rows = [
        (
            name,
            *(str(row.get(kind, "")) for kind in ("mb_a_model", "load_ms", "unload_ms", "request_us")),
            f"{row['request_us'] / one:.2f}" if "request_us" in row else "",
        )
        for name, row in found.items()
    ]
    delays = [
        (name, *("{} / {}".format(*kinds[kind]) for kind in _STREAMS))
        for name, kinds in streams["ms_p50_p99"].items()
    ]
    return [
        f"{models['models']} models of scikit-learn, one worker each; 1 row of CSV.",
        f"The load average at the end was {models['machine']['load']}.",
        *(f"Skipped: {name} ({why})." for name, why in models["skipped"].items()),
        "",
        *table(head, rows),
        "",
        f"Streams, one alone and {streams['streams_at_once']} at once on two workers: how many ms late the",
        "first token and each later one are at their client, p50 / p99.",
        "",
        *table(("", *_STREAMS), delays),
    ]


if __name__ == "__main__":
    write()
