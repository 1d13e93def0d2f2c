"""The section of docs/explanation/performance.md about endpoints, from bench/results/endpoints.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.endpoints import shadow
from bench.report import table

BEGIN = "<!-- Made by `python -m bench.endpoints` from bench/results. Measure again, do not edit. -->"
END = "<!-- The end of what is made about endpoints. -->"
Found = Mapping[str, Any]


def with_section(page: str, found: Found | None) -> str:
    """Return a page with what is between its markers made afresh; None: nobody has measured yet."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    assert marker, "the page has no markers"
    return (
        "\n".join([before + BEGIN, "", *(section(found) if found else ["Not measured yet."]), "", END])
        + after
    )


def section(found: Found) -> list[str]:
    """Return the tables of one run."""
    machine, pace = found["machine"], found["pace"]
    features = [(name, *_cells(one)) for name, one in found["features"].items()]
    return [
        f"Measured on {found['date']} on {machine['cpus']} CPUs ({machine['cpu']}),",
        f"Linux {machine['linux']},",
        f"Python {machine['python']}, with processes as containers. The load average at the end was",
        f"{machine['load_average']}. {pace['rate']:g} requests a second for {pace['seconds']:g} s on each",
        "feature; *changes* are updates and the like during that time.",
        "",
        *table(("", "requests", "failed", "p50 ms", "p99 ms", "changes"), features),
        "",
        *table(("", "bar", "found", ""), bars(found)),
    ]


def _cells(one: Found) -> tuple[str, ...]:
    changes = "" if one["changes"] is None else str(one["changes"])
    return f"{one['requests']:,}", str(one["failed"]), f"{one['p50_ms']:.1f}", f"{one['p99_ms']:.1f}", changes


def bars(found: Found) -> Iterator[tuple[str, str, str, str]]:
    """Yield what was to be reached, and what was."""
    features, update, shadows = found["features"], found["update"], found["shadow"]
    cold, idle = found["cold_start"], found["idle"]
    failed, total = (sum(one[name] for one in features.values()) for name in ("failed", "requests"))
    yield _bar("failed requests, all features together", "0", f"{failed} of {total:,}", failed == 0)
    text = f"{update['failed']} of {update['requests']:,} in {update['changes']} updates"
    rate = found["pace"]["update_rate"]
    yield _bar(
        f"failed of {rate:g} requests a second, in one update after the other",
        "0",
        text,
        not update["failed"],
    )
    without = shadows[shadow.NONE]["p99_ms"]
    for kind in (shadow.DEAD, shadow.HUNG, shadow.SLOW):
        ratio = shadows[kind]["p99_ms"] / without
        yield _bar(
            f"production's p99 beside {kind}, over that without", "≤ 1.05", f"{ratio:.2f}", ratio <= 1.05
        )
    beyond = cold["setup_s"] - cold["own_s"]
    text = f"{beyond:.2f} s: {cold['setup_s']:.2f} - {cold['own_s']:.2f}"
    yield _bar(
        "a serverless cold start, `ModelSetupTime`, beyond the container's own",
        "≤ 1.5 s",
        text,
        beyond <= 1.5,
    )
    one, many = idle["one"], idle["many"]
    each = (many["gateway_bytes"] - one["gateway_bytes"]) / max(1, idle["endpoints"] - 1)
    yield _bar(
        "the gateway's memory for an idle serverless endpoint",
        "≤ 1 kB",
        f"{each / 1000:.2f} kB",
        each <= 1000,
    )
    total_mb = (many["gateway_bytes"] + many["daemon_bytes"]) / 1e6
    name = f"gateway and daemon with {idle['endpoints']} of them"
    yield _bar(name, "≤ 200 MB", f"{total_mb:.0f} MB", total_mb <= 200)
    ratio = many["request_us"] / one["request_us"]
    yield _bar(
        "the gateway's CPU time for a request, over that with one", "≤ 1.1", f"{ratio:.2f}", ratio <= 1.1
    )


def _bar(what: str, bar: str, value: str, reached: bool) -> tuple[str, str, str, str]:
    return what, bar, value, "reached" if reached else "missed"
