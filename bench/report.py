"""The tables of docs/explanation/performance.md and the plots, made from bench/results.

    python -m bench.report

writes them again from the results that are there, without measuring.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import bars, chart, data, front, ours
from bench.results import FILE

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "explanation/performance.md"
PLOTS = DOCS / "plots"
BEGIN = "<!-- Made by `make bench` from bench/results/serving.json. Measure again, do not edit. -->"
END = "<!-- The end of what is made. -->"
CASES = (data.ONE_CSV, data.ONE_JSON, data.THOUSAND_CSV, data.FIVE_MB)
_OVERHEAD = (ours.NOTHING, ours.NO_SERVER, front.PAIR.name)
Results = Mapping[str, Any]


def write(results: Results) -> None:
    """Write the page's tables and the plots."""
    PAGE.write_text(with_tables(PAGE.read_text(), results))
    PLOTS.mkdir(exist_ok=True)
    for name, text in plots(results).items():
        (PLOTS / name).write_text(text)


def with_tables(page: str, results: Results) -> str:
    """Return a page with everything between its markers made afresh."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, "the page has no markers"
    return "\n".join([before + BEGIN, "", *tables(results), "", END]) + after


def tables(results: Results) -> list[str]:
    """Return what the page says of one run."""
    machine = results["machine"]
    lines = [
        f"Measured on {results['date']} on {machine['cpus']} CPUs ({machine['cpu']}),",
        f"{machine['memory_gb']} GB, Linux {machine['linux']}, Python {machine['python']},",
        f"nginx {machine['nginx']}.",
        f"Medians of {results['rounds']} rounds of {results['seconds']:g} s.",
        f"The load average at the end was {machine['load_average']}.",
        "",
        "### Requests per CPU second",
        "",
        *_throughput(results),
        "",
        "### Latency at half load, memory, start",
        "",
        *_costs(results),
        "",
        "### What was to be reached",
        "",
        *table(("", "bar", "found", ""), (outcome.cells() for outcome in bars.outcomes(results))),
        "",
        "### As the work grows",
        "",
        *_growth(results),
        "",
        "### Versions",
        "",
        *_versions(results),
    ]
    if results["skipped"]:
        lines += ["", "Skipped: " + "; ".join(f"{name} ({why})" for name, why in results["skipped"].items())]
    return lines


def plots(results: Results) -> dict[str, str]:
    """Return the plots by file name."""
    servers = {name: row for name, row in results["servers"].items() if name not in _OVERHEAD}
    panels = [
        chart.Bars(
            case,
            {
                name: row["cases"][case]["per_cpu_second"]
                for name, row in servers.items()
                if case in row["cases"]
            },
        )
        for case in CASES
    ]
    title = "Requests per second of the server's CPU time; more is better"
    found = {"peers.svg": chart.bar_chart(title, panels, ours=ours.NAME, limit=bars.LIMIT)}
    if isinstance(growth := results.get("growth"), dict):
        lines = []
        for width in ("long", "short"):
            points = [one for one in growth["points"] if one["width"] == width and one["workers"] == 2]
            lines.append(
                chart.Line(
                    f"{width} numbers",
                    [(one["rows"], one["predicted_us"]) for one in points],
                    [(one["rows"], one["us"]) for one in points],
                )
            )
        title = "CPU time of a request: measured (dots) and predicted (lines)"
        found["growth.svg"] = chart.line_chart(title, "rows in a request", "µs", lines)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table whose columns but the first are aligned to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _throughput(results: Results) -> list[str]:
    servers = results["servers"]
    names = sorted(servers, key=lambda name: (name != bars.LIMIT, not name.startswith(ours.NAME), name))

    def cell(name: str, case: str) -> str:
        if case not in servers[name]["cases"]:
            return bars.NONE
        rate = servers[name]["cases"][case]["per_cpu_second"]
        return f"{_three(rate)} ({_three(1e6 / rate)} µs)"

    return table(("", *CASES), ([name, *(cell(name, case) for case in CASES)] for name in names))


def _costs(results: Results) -> list[str]:
    def cells(name: str, row: Mapping[str, Any]) -> list[str]:
        half = row.get("half_load", {})
        return [
            name,
            *(f"{half[one]:.2f}" if one in half else bars.NONE for one in ("p50_ms", "p99_ms", "ratio")),
            f"{row['pss_mb']:.0f}" if "pss_mb" in row else bars.NONE,
            f"{row['cold_start_ms'] / 1000:.2f}" if "cold_start_ms" in row else bars.NONE,
        ]

    measured = {"cold_start_ms", "half_load"}
    rows = [cells(name, row) for name, row in results["servers"].items() if measured & row.keys()]
    return [
        *table(("", "p50 ms", "p99 ms", "p99 / p50, best run", "memory, MB", "start, s"), rows),
        "",
        _start(results["start"]),
    ]


def _start(start: Mapping[str, Any] | str) -> str:
    if isinstance(start, str):
        return f"What a start takes beyond the framework was not measured: {start}."
    bare = start["bare"]["median_ms"] / 1000
    return f"Importing the framework and loading the model take {bare:.2f} s of mlberth's start."


def _growth(results: Results) -> list[str]:
    growth = results["growth"]
    if isinstance(growth, str):
        return [f"Not measured: {growth}."]

    def cells(one: Mapping[str, Any]) -> list[str]:
        use = "fitted" if one["fitted"] else f"{one['predicted_us'] / one['us'] - 1:+.0%}"
        numbers = [str(one["rows"]), one["width"], str(one["bytes"]), str(one["workers"])]
        return [*numbers, _three(one["per_second"]), _three(one["us"]), _three(one["predicted_us"]), use]

    head = ("rows", "numbers", "bytes", "workers", "requests/s", "CPU µs", "predicted", "error")
    return [
        f"The CPU time of a CSV request is {growth['fixed_us']:.0f} µs,",
        f"{growth['per_worker_us']:.1f} µs a worker,",
        f"{growth['per_byte_us'] * 1000:.2f} ns a byte and {growth['per_row_us']:.2f} µs a row.",
        f"What this was not fitted to it predicts within {growth['worst_error']:.0%}; the median",
        f"error is {growth['median_error']:.0%}.",
        "",
        *table(head, map(cells, growth["points"])),
    ]


def _versions(results: Results) -> list[str]:
    rows = (
        [name, ", ".join(f"{package} {version}" for package, version in row["versions"].items())]
        for name, row in results["servers"].items()
        if row.get("versions")
    )
    return table(("", "versions"), rows)


def _three(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.10g}".replace(",", " ")


if __name__ == "__main__":
    write(json.loads(FILE.read_text()))
