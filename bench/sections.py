"""The section of docs/explanation/performance.md about models, streams, launchers, channels and jobs.

    python -m bench.sections

writes it again from what `bench.models`, `streams`, `launchers`, `fifo` and `platform_jobs` have put into
bench/results.
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
SOURCES = ("models", "streams", "launchers", "fifo", "platform_jobs")
"""Of the section: files in bench/results."""
_STREAMS = ("first", "token", "first at once", "token at once")


def write() -> None:
    """Write the section afresh."""
    PAGE.write_text(with_section(PAGE.read_text(), results()))


def results() -> dict[str, Any]:
    """Return the last results of each source."""
    return {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in SOURCES}


def with_section(page: str, found: Mapping[str, Any]) -> str:
    """Return a page with what is between its markers made afresh, of the results of each source."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, "the page has no markers"
    lines = [*_models(found["models"]), "", *_streams(found["streams"])]
    lines += [
        "",
        *_launchers(found["launchers"]),
        "",
        *_channels(found["fifo"]),
        "",
        *_jobs(found["platform_jobs"]),
    ]
    return "\n".join([before + BEGIN, "", *lines, "", END]) + after


def _models(models: Mapping[str, Any]) -> list[str]:
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
    return [
        f"{models['models']} models of scikit-learn, one worker each; 1 row of CSV.",
        f"The load average at the end was {models['machine']['load']}.",
        *(f"Skipped: {name} ({why})." for name, why in models["skipped"].items()),
        "",
        *table(head, rows),
    ]


def _streams(streams: Mapping[str, Any]) -> list[str]:
    delays = [
        (name, *("{} / {}".format(*kinds[kind]) for kind in _STREAMS))
        for name, kinds in streams["ms_p50_p99"].items()
    ]
    return [
        f"Streams, one alone and {streams['streams_at_once']} at once on two workers: how many ms late the",
        "first token and each later one are at their client, p50 / p99.",
        "",
        *table(("", *_STREAMS), delays),
    ]


def _launchers(launchers: Mapping[str, Any]) -> list[str]:
    head = (
        "",
        "bare, s",
        "with it, s",
        "added, s",
        "bare, µs a step",
        "with the launcher, µs a step",
    )
    kinds = ("bare_start_s", "start_s", "start_added_s", "bare_step_us", "step_us")
    rows = [(name, *(str(row[kind]) for kind in kinds)) for name, row in launchers["results"].items()]
    return [
        "The time to the first collective of two ranks, and that of a step, with the launcher and with bare",
        f"`torchrun` and `mpirun`: the median of {launchers['runs']} runs. At most {launchers['bar_s']:g} s",
        "more is wanted.",
        "",
        *table(head, rows),
    ]


def _channels(fifo: Mapping[str, Any]) -> list[str]:
    speeds = fifo["megabytes_per_second"]
    return [
        f"RecordIO records of {fifo['record_bytes'] // 1000} kB through a FIFO: {speeds['mlberth']} MB/s,",
        f"and {speeds['cat']} MB/s by `cat`: {fifo['share_of_cat']} of its speed, of which at least",
        f"{fifo['bar']} is wanted.",
    ]


def _jobs(jobs: Mapping[str, Any]) -> list[str]:
    short = jobs["short"]
    ways = {"process": "as processes", "docker": "in Docker"}
    alone = {"process": "`train` alone", "docker": "`docker run`"}
    wanted = {"process": 0.3, "docker": 1.5}
    rows = [
        (
            f"an empty training job {ways[engine]}, beside {alone[engine]}: more, s",
            f"≤ {wanted[engine]:g}",
            f"{one['added_s']} ({one['platform_s']} - {one['without_s']})",
        )
        for engine, one in jobs["empty"].items()
    ]
    rows += [
        (
            f"… {ways[engine]}, over one in the SageMaker SDK's local mode",
            "≤ 0.25",
            f"{one['share_of_sdk']} ({one['platform_s']} / {one['sdk_s']})",
        )
        for engine, one in jobs["empty"].items()
        if "share_of_sdk" in one
    ]
    rows += [
        (
            f"{short['jobs']} jobs of a second, 4 at once, of the ideal",
            "≥ 0.9",
            str(short["share_of_ideal"]),
        ),
        ("… of the same `train` by hand, 4 at once", "", str(short["share_of_by_hand"])),
        ("a listing with 10 000 old jobs, ms", "≤ 20", str(jobs["listing_ms"])),
    ]
    return [
        f"Jobs of the platform, on {jobs['cpus']} CPUs with a load average of {jobs['load']} at the end.",
        "",
        *table(("", "bar", "found"), rows),
    ]


if __name__ == "__main__":
    write()
