"""Put a load on every feature of the platform's endpoints; print and keep failed requests and latencies.

    python -m bench.endpoints [--seconds 20] [--rate 100] [--quick]

Takes a quarter of an hour; writes bench/results/endpoints.json and its section of the page on performance.
`--quick` takes a few minutes, and writes nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.endpoints import costs, features, shadow
from bench.endpoints.deployments import POLICIES, rollbacks, updates
from bench.endpoints.features import FEATURES, automatic
from bench.endpoints.measured import Figures, Pace, running
from bench.endpoints.section import bars, with_section
from bench.report import PAGE
from bench.results import FOLDER, machine, write

FILE = FOLDER / "endpoints.json"


def main() -> None:
    """Measure, print, and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.endpoints")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each feature")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--update-seconds", type=float, default=200.0, help="of updates at --update-rate")
    parser.add_argument("--update-rate", type=float, default=500.0, help="requests a second")
    parser.add_argument("--rounds", type=int, default=11, help="of each kind of shadow")
    parser.add_argument("--endpoints", type=int, default=1000, help="that sleep")
    parser.add_argument("--quick", action="store_true", help="tiny loads; write nothing")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rate, options.rounds = 2.0, 20.0, 1
        options.update_seconds, options.update_rate, options.endpoints = 4.0, 50.0, 50
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = measure(Path(folder), options)
    for name, bar, value, verdict in bars(found):
        print(f"{name}: {value} ({bar} wanted: {verdict})")
    if not options.quick:
        found = write(found, FILE)
        PAGE.write_text(with_section(PAGE.read_text(), found))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what was found, each in its turn: nothing else runs meanwhile."""
    pace = Pace(options.rate, options.seconds)
    update = Pace(options.update_rate, options.update_seconds)
    return {
        "date": dt.datetime.now(dt.timezone.utc).date().isoformat(),
        "pace": {**asdict(pace), "update_rate": update.rate},
        **under_load(folder, pace, update),
        "shadow": told(
            shadow.measure, _below(folder, "shadow"), Pace(2 * pace.rate, pace.seconds / 4), options.rounds
        ),
        "cold_start": told(costs.cold_starts, _below(folder, "cold"), max(2, options.rounds // 2)),
        "idle": told(costs.idle_endpoints, folder / "idle", options.endpoints, pace.seconds / 4),
        "machine": machine(),
    }


def under_load(folder: Path, pace: Pace, update: Pace) -> dict[str, Any]:
    """Return the figures of all features, and those of updates at a higher rate."""
    found: dict[str, Figures] = {}
    with running(_below(folder, "features")) as daemon:
        features.prepare_models(daemon)
        for name, feature in FEATURES.items():
            found[name] = shown(name, feature(daemon, pace))
        for name in POLICIES:
            found[name] = shown(name, updates(daemon, pace, name))
        found["canaries rolled back by an alarm"] = shown("rolled back", rollbacks(daemon, pace))
        name = "updates of all kinds"
        updated = shown(name, updates(daemon, update, *POLICIES))
    found["automatic scaling, one to five instances"] = shown(
        "scaling", scaled(_below(folder, "scaling"), pace)
    )
    return {"features": {name: asdict(one) for name, one in found.items()}, "update": asdict(updated)}


def scaled(folder: Path, pace: Pace) -> Figures:
    """Return the figures of automatic scaling, by a daemon whose minute is short."""
    minute = max(0.5, min(2.0, pace.seconds / 20))
    with running(folder, minute=minute) as daemon:
        features.prepare_models(daemon)
        return automatic(daemon, minute)


def shown(name: str, found: Figures) -> Figures:
    """Print a line of figures."""
    changes = "" if found.changes is None else f", {found.changes} changes"
    print(
        f"{name}: {found.requests} requests, {found.failed} failed, "
        f"p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms{changes}",
        flush=True,
    )
    return found


def told(part: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Measure a part, and print it."""
    found = part(*arguments)
    print(f"{part.__module__.rpartition('.')[2]}, {part.__name__}: {json.dumps(found)}", flush=True)
    return found


def _below(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


if __name__ == "__main__":
    main()
