"""Write the tables of docs/explanation/reliability.md from the figures that tests/faults has printed.

python scripts/write_faults.py build/faults.jsonl

A line of the file is one fault's figures as JSON; of several with the same name the last counts. A line
without a fault says how a test ended that printed none.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlberth.contract.resources import cpu_count

PAGE = Path(__file__).resolve().parent.parent / "docs/explanation/reliability.md"
Figures = dict[str, Any]

_KILL, _HUP, _TERM = "kill -9 of a worker", "SIGHUP under load", "SIGTERM under load"
_MORE, _HANG = "10 times the load", "a prediction that hangs"
_POISON = "a request that kills its worker"
_SOAK = "soak"
_JOB, _ENDPOINT = "under a job, live restore: lines", "under an endpoint"
_ECHO, _LEAK = "a million echoes", "a leak of 1 MB a request, MAX_REQUESTS"
_HOSTS = "16"
# What is promised, the bar, the fault (or a row, with all its faults) whose figures say it, and how.
TARGETS = [
    ("A rank, a host or a link lost: hosts without the reason", "0", _HOSTS, "{lost}"),
    ("… the slowest end of all others", "≤ 30 s", _HOSTS, "{recovery}"),
    ("A worker killed every half second", "0 failed", _KILL, "{lost} in {kills} kills"),
    ("… the p99 beside that without kills", "≤ 3 times", _KILL, "{p99_growth} times"),
    ("… until the worker is replaced, the median", "≤ 1 s", _KILL, "{recovery}"),
    ("Reloads under load", "0 failed", _HUP, "{lost} in {reloads} reloads"),
    ("Workers recycled under load", "0 failed", _LEAK, "{lost} with {workers} workers"),
    ("SIGTERM under load", "0 lost", _TERM, "{lost} in {stops} stops"),
    ("… the slowest stop", "≤ 25 s", _TERM, "{recovery}"),
    ("An idle stop", "≤ 1 s", "SIGTERM, idle", "{recovery}"),
    ("Ten times the load: p99 of /ping", "≤ 250 ms", _MORE, "{ping_p99}"),
    ("… the slowest /ping", "≤ 2 s", _MORE, "{ping_max}"),
    ("… a refusal, the median", "≤ 50 ms", _MORE, "{shed}"),
    ("… answers as a share of the capacity", "≥ 0.9", _MORE, "{goodput}"),
    ("A hung prediction: 504 after the timeout", "≤ 1 s", _HANG, "{late}"),
    ("… until the worker is replaced", "≤ 3 s", _HANG, "{recovery}"),
    ("500 slow clients: what others ask", "0 failed", "500 slow clients", "{lost}"),
    ("Answers that are another request's, under faults", "0", _ECHO, "{lost}"),
    ("Runs of a request that kills its worker", "≤ 2", _POISON, "{runs}"),
    ("… that must not be repeated", "1", f"{_POISON}, not to be repeated", "{runs}"),
    ("A soak: requests", "0 failed", _SOAK, "{lost} in {minutes} minutes"),
    ("… memory after the warm-up, under kills and reloads", "≤ 1 %", _SOAK, "{growth_under_faults}"),
    (
        "… memory after the warm-up, under load alone",
        "≤ 1 %",
        _SOAK,
        "{growth_under_load} in {calm} requests",
    ),
    ("… descriptors, processes and files that leak", "0", _SOAK, "{leaks}"),
    ("The platform's daemon killed under an endpoint", "0 failed", "endpoint: daemon killed", "{lost}"),
    ("… its gateway killed", "≤ 4 failed, those in flight", "endpoint: gateway killed", "{lost}"),
    (
        "… with nginx in front",
        "0 failed",
        "endpoint: gateway killed, nginx in front",
        "{lost} in {kills} kills",
    ),
    ("… until there is another gateway", "≤ 5 s", "endpoint: gateway killed", "{recovery}"),
    ("… one of two instances killed", "≤ 4 failed, those in flight", "endpoint: instance killed", "{lost}"),
    ("… an update and other numbers of instances", "0 failed", "endpoint: update and scaling", "{lost}"),
    ("… requests beside a shadow that hangs", "0 failed", "a shadow that hangs", "{lost}"),
    ("… a shadow that kills its server with each copy", "0 failed", "a shadow that dies", "{lost}"),
    (
        "… requests beside one that a container dies of",
        "0 failed",
        "the second of three containers dies",
        "{lost}",
    ),
    ("The daemon killed at random, twice in each of the jobs", "0 lost", "the daemon is killed", "{lost}"),
    ("Ctrl-C of a run at random: runs that leave something", "0", "Ctrl-C of a run", "{lost}"),
    ("Docker is not there: until the error says so", "≤ 5 s", "Docker is not there", "{recovery}"),
    (
        "Docker killed under a job, with live restore: lines of its log",
        "0 lost",
        f"Docker: SIGKILL {_JOB}",
        "{lost}",
    ),
    ("… restarted", "0 lost", f"Docker: SIGTERM {_JOB}", "{lost}"),
    ("Docker hangs under an endpoint", "0 failed", f"Docker: SIGSTOP {_ENDPOINT}", "{lost}"),
    (
        "Docker killed under an endpoint: serving again after its start",
        "≤ 30 s",
        f"Docker: SIGKILL {_ENDPOINT}",
        "{recovery}",
    ),
    ("… with live restore", "≤ 5 s", f"Docker: SIGKILL {_ENDPOINT}, live restore", "{recovery}"),
]
ROWS = {str(row) for row in range(1, 52)} | {"23b"}
"""Of the matrix of faults."""
_COMMON = {"row", "id", "passed", "seconds", "fault", "n", "failed", "recovery_ms", "ping_max_ms"}


def words(figures: Figures) -> dict[str, str]:
    """Return the figures as text, by the names that TARGETS uses."""
    said = {name: _text(value) for name, value in figures.items() if name not in _COMMON}
    said |= {name[:-2]: seconds(1000 * figures[name]) for name in figures if name.endswith("_s")}
    said |= {name[:-3]: seconds(figures[name]) for name in ("recovery_ms", "ping_max_ms") if name in figures}
    said |= {name: f"{figures[name]:.2%}" for name in figures if name.startswith("growth_")}
    leaks = ", ".join(str(value) for name, value in figures.items() if name.endswith("_leaked"))
    return said | {"lost": f"{figures['failed']} of {figures['n']:,}", "leaks": leaks}


def _text(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def seconds(milliseconds: float | None) -> str:
    """Return a time as a reader would say it."""
    if milliseconds is None:
        return ""
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def read(path: Path) -> dict[str, Figures]:
    """Return the figures by the fault's name; a test that failed before it had any gets none of its own."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    passed = {line["id"]: line["passed"] for line in lines if "id" in line}
    told = {}
    for line in lines:
        if "fault" in line:
            told[line["fault"]] = line
        elif not passed[line["id"]]:
            name = line["id"].partition("::test_")[2]
            told[name] = {"n": 0, "failed": 0, "recovery_ms": None, **line, "fault": name}
    return told


def duration(path: Path) -> float:
    """Return how long the tests and the soak took, in minutes, each counted once."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    tests = {line["id"]: line["seconds"] for line in lines if "id" in line}
    return sum(tests.values()) / 60 + sum(line.get("minutes", 0) for line in lines)


def fault_table(told: Iterable[Figures]) -> list[str]:
    """Return the table of every fault, in the order of the rows."""
    lines = ["| Row | Fault | Requests or tries | Failed | Back after | Slowest /ping | More |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    for figures in sorted(told, key=_place):
        said = words(figures)
        own = [name.removesuffix("_s") for name in figures if name not in _COMMON]
        cells = (
            figures["row"],
            figures["fault"],
            f"{figures['n']:,}",
            str(figures["failed"]) if figures["passed"] else f"{figures['failed']}, **bar missed**",
            said["recovery"],
            said.get("ping_max", ""),
            ", ".join(f"{name.replace('_', ' ')} {said[name]}" for name in own),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _place(figures: Figures) -> tuple[int, str]:
    digits = re.match(r"\d+", figures["row"])
    return int(digits[0]) if digits else 999, figures["row"]


def target_table(told: dict[str, Figures]) -> list[str]:
    """Return the table of what is promised and what was reached."""
    lines = ["| Promise | Bar | Reached |", "| --- | --- | --- |"]
    for promise, bar, fault, say in TARGETS:
        figures = told.get(fault) or of_row(fault, told.values())
        reached = say.format(**words(figures)) if figures else "not measured"
        lines.append(f"| {promise} | {bar} | {reached} |")
    return lines


def of_row(row: str, told: Iterable[Figures]) -> Figures | None:
    """Return the figures of all faults of a row, as those of one; None if it has none."""
    own = [figures for figures in told if figures.get("row") == row]
    if not own:
        return None
    return {
        "n": sum(figures["n"] for figures in own),
        "failed": sum(figures["failed"] or not figures["passed"] for figures in own),
        "recovery_ms": max(figures["recovery_ms"] or 0 for figures in own),
    }


def put(page: str, name: str, lines: Iterable[str]) -> str:
    """Return the page with what is between two markers replaced."""
    begin, end = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if not (rest and after):
        sys.exit(f"{PAGE}: found no {begin} … {end}")
    return "\n".join([before + begin, *lines, end + after])


def main() -> int:
    """Write both tables, and where they were measured; return 1 if a bar is missed or a row is missing."""
    path = Path(sys.argv[1])
    told = read(path)
    linux = ".".join(platform.release().split(".")[:2])
    where = f"{cpu_count()} CPUs, Linux {linux}, Python {platform.python_version()}"
    lines = [
        f"Measured by one run of `make faults` on {where}.",
        "",
        *fault_table(each for name, each in told.items() if name != _SOAK),
    ]
    page = put(PAGE.read_text(), "faults", lines)
    PAGE.write_text(put(page, "targets", target_table(told)))
    print(f"wrote {PAGE}: {len(told)} faults, {duration(path):.0f} minutes")
    missing = ROWS - {figures.get("row") for figures in told.values()}
    if missing:
        print(f"no figures of the rows {', '.join(sorted(missing, key=lambda row: int(row.rstrip('b'))))}")
    return 1 if missing or not all(figures.get("passed", True) for figures in told.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
