"""Measure serving: `python -m bench` beside every peer, `python -m bench --quick` against the limit alone.

Figures are medians over interleaved rounds. The full run writes bench/results/serving.json, the tables of
docs/explanation/performance.md and the plots in docs/plots/.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import bars, cold_start, data, front, ours, report, results
from bench.compare import FAILURES, Comparison, say
from bench.peers import PEERS
from bench.scenarios import batching, fairness, growth, ping
from bench.server import Server


def main() -> int:
    """Measure, print and write; 1 where a quick run misses a bar widely."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no peers, under two minutes, writes nothing")
    parser.add_argument("--rounds", type=int, help="rounds of every measurement (default 5; quick 3)")
    parser.add_argument("--starts", type=int, default=3, help="of each server by itself (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of load in each (default 1)")
    parser.add_argument("--peer", action="append", help="only these peers; repeatable")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # servers are ended on the way
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-") as folder:
        rounds = arguments.rounds or (3 if arguments.quick else 5)
        comparison = Comparison(Path(folder), rounds, arguments.seconds)
        data.train(comparison.model)
        if arguments.quick:
            return quick(comparison)
        peers = [PEERS[name] for name in (PEERS if arguments.peer is None else arguments.peer)]
        found = full(comparison, [*ours.servers(), *peers], arguments.starts)
    found = results.write(found)
    report.write(found)  # what whoever writes the page again has
    print_bars(list(bars.outcomes(found)))
    say(f"took {time.monotonic() - began:.0f} s; wrote bench/results, {report.PAGE} and docs/plots")
    return 0


def full(comparison: Comparison, servers: list[Server], starts: int) -> dict[str, Any]:
    """Measure everything; returns the results."""
    overhead = [ours.make(ours.NOTHING, handler="nothing.py", answers_rows=False), front.PAIR]
    good = comparison.alone(comparison.install(servers), starts)
    comparison.together([*good, *comparison.install(overhead)])
    return results.collect(
        comparison,
        start=attempt(cold_start.take, comparison),
        growth=attempt(growth.take, comparison),
        batching=attempt(batching.take, comparison),
        ping=attempt(ping.measure, comparison),
        fairness=attempt(fairness.measure, comparison),
    )


def attempt(measure: Callable[[Comparison], Any], comparison: Comparison) -> Any:
    """Return what a scenario finds, or why it found nothing: what was measured before is not lost."""
    try:
        return measure(comparison)
    except FAILURES as error:
        say(f"{measure.__module__}: {error}")
        return str(error)


def quick(comparison: Comparison) -> int:
    """Measure what the bars against the limit need; 1 where one is missed widely."""
    overhead = [ours.make(ours.NOTHING, handler="nothing.py", answers_rows=False), front.PAIR]
    comparison.together(comparison.install([*ours.servers(), *overhead]), latency=False)
    found = results.collect(comparison, batching={"xgboost": batching.xgboost(comparison)})
    outcomes = list(bars.outcomes(found, [bar for bar in bars.BARS if bar.quick]))
    print_bars(outcomes)
    wide = [one for one in outcomes if one.value is not None and one.share < bars.WIDE]
    for outcome in wide:
        what, bar, value, _ = outcome.cells()
        print(f"missed widely: {what}: {value}, expected {bar}", file=sys.stderr)
    return 1 if wide else 0


def print_bars(outcomes: list[bars.Outcome]) -> None:
    """Print every bar beside what was reached."""
    for outcome in outcomes:
        what, bar, value, verdict = outcome.cells()
        print(f"{what:76}{bar:>10}{value:>10}  {verdict}")


if __name__ == "__main__":
    sys.exit(main())
