"""How soon streamed tokens are at their client, one stream alone and 64 at once on two workers.

    python -m bench.streams [--rounds N]

Each token says when it was made, by the machine's monotonic clock, so that only the server's own share is
measured: from the request to the generator and from the first token to the client (`first`), and from each
later token to the client (`token`). Results go to bench/results/streams.json, and a table is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import ours, sections
from bench.compare import FAILURES, Comparison
from bench.load import Address, prepare
from bench.peers import PEERS
from bench.peers.flask_gthread import APPS
from bench.server import HOST, Command, Place, Server, running

RESULTS = Path(__file__).parent / "results/streams.json"
TOKENS = 50
AT_ONCE = 64


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of each server, interleaved (default 3)")
    rounds = parser.parse_args().rounds
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-") as folder:
        comparison = Comparison(Path(folder), rounds, 0)
        comparison.model.mkdir()
        good = comparison.install([server for server, _ in servers()])
        for _ in range(rounds):
            for server, request in servers():
                if server.name in {one.name for one in good}:
                    try:
                        with running(server, comparison.place(server)) as run:
                            note(found.setdefault(server.name, {}), run.address, request)
                    except FAILURES as error:
                        comparison.skip(server, error)
    write(found, comparison.skipped, rounds)


def servers() -> list[tuple[Server, bytes]]:
    """Return each server with the request for its tokens."""
    own = prepare("/invocations", b"{}", "application/json", "text/plain")
    plain = prepare("/predict", b"{}", "application/json")
    threads = {"BENCH_THREADS": "1"}

    def start_lit(place: Place) -> Command:
        return Command(
            [str(place.python), str(APPS / "lit_tokens.py"), HOST, str(place.port), str(place.workers)]
        )

    def start_bento(place: Place) -> Command:
        command = PEERS["BentoML"].start(place)
        return Command(
            ["bento_tokens:Service" if one == "bento_app:Service" else one for one in command.argv],
            command.environ,
        )

    return [
        (ours.make("mlberth, asyncio", handler="tokens.py", answers_rows=False), own),
        (ours.make("mlberth, threads", handler="tokens.py", answers_rows=False, settings=threads), own),
        (replace(PEERS["LitServe"], start=start_lit), plain),
        (replace(PEERS["BentoML"], start=start_bento), plain),
    ]


def note(found: dict[str, list[float]], address: Address, request: bytes) -> None:
    """Add the delays of one server that is up, in ms."""
    for _ in range(10):
        asyncio.run(read(address, request))  # warm
    for _ in range(10):
        first, tokens = asyncio.run(read(address, request))
        found.setdefault("first", []).append(first)
        found.setdefault("token", []).extend(tokens)
    for first, tokens in asyncio.run(read_many(address, request)):
        found.setdefault("first at once", []).append(first)
        found.setdefault("token at once", []).extend(tokens)


async def read_many(address: Address, request: bytes) -> Sequence[tuple[float, list[float]]]:
    """Read many streams at once."""
    return await asyncio.gather(*(read(address, request) for _ in range(AT_ONCE)))


async def read(address: Address, request: bytes) -> tuple[float, list[float]]:
    """Read one stream; returns the delays in ms of its first token and of the others."""
    reader, writer = await asyncio.open_connection(*address)
    sent = time.monotonic()
    writer.write(request)
    delays: list[float] = []
    while len(delays) < TOKENS:
        line = await asyncio.wait_for(reader.readline(), 30)
        now = time.monotonic()
        assert line, f"the stream ended after {len(delays)} tokens"
        parts = line.replace(b"data:", b"").split()
        if len(parts) == 2 and b"." in parts[0] and parts[0].replace(b".", b"").isdigit():
            began, made = map(float, parts)
            delays.append((now - made if delays else began - sent + now - made) * 1000)
    writer.close()
    return delays[0], delays[1:]


def write(found: dict[str, dict[str, list[float]]], skipped: dict[str, str], rounds: int) -> None:
    """Write the results and print them as a table."""
    shares: dict[str, Any] = {
        name: {
            kind: [round(percentile(delays, share), 2) for share in (0.5, 0.99)]
            for kind, delays in kinds.items()
        }
        for name, kinds in found.items()
    }
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    report = {
        "machine": machine,
        "rounds": rounds,
        "streams_at_once": AT_ONCE,
        "ms_p50_p99": shares,
        "skipped": skipped,
    }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    sections.write()
    kinds = ("first", "token", "first at once", "token at once")
    print("| ms, p50 / p99 |", " | ".join(kinds), "|\n|", " | ".join(["---"] * 5), "|")
    for name, values in shares.items():
        print("|", name, "|", " | ".join("{} / {}".format(*values[kind]) for kind in kinds), "|")


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of them does not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]


if __name__ == "__main__":
    main()
