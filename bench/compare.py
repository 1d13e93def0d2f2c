"""Servers compared: each alone for its start and memory, then all of them in turn, round after round."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import data, front, ours
from bench.installation import MissingError, interpreter, versions
from bench.limit import HANDLER
from bench.load import ask, drive, drive_at
from bench.processes import cpu_seconds, pss_bytes
from bench.server import ONE_THREAD, Place, Running, Server, free_ports, running

ROOT = Path(__file__).resolve().parent.parent
_PORTS = 6
_WARM_SECONDS = 0.3
FAILURES = (RuntimeError, OSError, subprocess.SubprocessError, AssertionError)
"""What leaves one server out, and goes on with the others."""


@dataclass
class Comparison:
    """What is found as it is found; `report` makes medians of it."""

    folder: Path
    rounds: int
    seconds: float
    cases: dict[str, data.Case] = field(default_factory=data.cases)
    skipped: dict[str, str] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By server: versions, cold_start_ms, pss_mb, cases, half_load."""

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.folder / "model"

    def place(self, server: Server, workers: int = 2, name: str = "") -> Place:
        """Return a place for a server; raises MissingError."""
        folder = self.folder / (name or server.name.replace(" ", "-").replace(",", ""))
        return Place(folder, self.model, interpreter(server), free_ports(_PORTS), workers)

    def install(self, servers: Iterable[Server]) -> list[Server]:
        """Return the servers that can run here, and note why others cannot."""
        found = []
        for server in servers:
            try:
                python = interpreter(server)
            except MissingError as error:
                self.skip(server, error)
            else:
                found.append(server)
                self.rows[server.name] = {"versions": versions(server, python), "cases": {}}
        return found

    def skip(self, server: Server, why: Exception) -> None:
        """Leave a server out from here on."""
        self.rows.pop(server.name, None)
        reason = str(why).strip() or type(why).__name__
        for folder in (self.folder, ROOT):
            reason = reason.replace(str(folder), "…")
        self.skipped[server.name] = reason.splitlines()[-1][:200]
        print(f"{server.name}: skipped, {self.skipped[server.name]}", flush=True)

    def alone(self, servers: Sequence[Server], starts: int) -> list[Server]:
        """Start each server by itself, `starts` times; take its memory once, when it has answered a while.

        Returns the servers that came up and answered right.
        """
        good = []
        for server in servers:
            say(f"{server.name}: {starts} starts")
            try:
                times = []
                for number in range(starts):
                    with running(server, self.place(server)) as run:
                        times.append(run.cold_start * 1000)
                        if number == 0:
                            self.check(run)
                            self.rows[server.name]["pss_mb"] = round(pss_bytes(run.pid) / 1e6, 1)
                self.rows[server.name]["cold_start_ms"] = round(statistics.median(times))
                good.append(server)
            except FAILURES as error:
                self.skip(server, error)
        return good

    def check(self, run: Running) -> None:
        """Ask everything a few times; raises AssertionError for a wrong answer."""
        model = data.load(self.model) if run.server.answers_rows else None
        for case in self.cases.values():
            if case.content_type in run.server.requests:
                for _ in range(20):
                    ok, body = ask(run.address, run.request(case))
                    assert ok, f"{case.name} was refused: {body[:200]!r}"
                if model is not None:
                    assert data.labels(body) == model.predict(case.rows).tolist(), (
                        f"{case.name}: wrong answer"
                    )

    def together(self, servers: Sequence[Server], *, latency: bool = True) -> None:
        """Keep every server up, and measure them in turn, the limit too, in rounds."""
        with contextlib.ExitStack() as stack:
            runs: list[Running] = []
            for server in servers:
                with self._leaving_out(server, runs):
                    run = stack.enter_context(running(server, self.place(server)))
                    self.check(run)
                    runs.append(run)
            for number in range(self.rounds):
                say(f"round {number + 1} of {self.rounds}")
                for case in self.cases.values():
                    for run in turned([run for run in runs if self._wanted(run, case)], number):
                        with self._leaving_out(run.server, runs):
                            self.add(run.server.name, case.name, measure(run, case, self.seconds))
                for name, found in limits(self.model, self.seconds, list(self.cases)).items():
                    self.add(ours.NO_SERVER, name, {"per_cpu_second": found.pop(HANDLER)})
                    self.add("the limit", name, {"per_cpu_second": max(found.values()), **found})
            for number in range(self.rounds if latency else 0):
                say(f"latency, round {number + 1} of {self.rounds}")
                for run in turned(runs, number):
                    with self._leaving_out(run.server, runs):
                        self._half_load(run)

    def add(self, server: str, case: str, figures: dict[str, float]) -> None:
        """Note one measurement."""
        cases = self.rows.setdefault(server, {"cases": {}})["cases"]
        for name, value in figures.items():
            cases.setdefault(case, {}).setdefault(name, []).append(value)

    def _wanted(self, run: Running, case: data.Case) -> bool:
        if run.server is front.PAIR:  # its second server reads no body
            return case.name == data.ONE_CSV
        return case.content_type in run.server.requests

    @contextlib.contextmanager
    def _leaving_out(self, server: Server, runs: list[Running]) -> Iterator[None]:
        """Go on without a server that fails."""
        try:
            yield
        except FAILURES as error:
            self.skip(server, error)
            runs[:] = [run for run in runs if run.server is not server]

    def _half_load(self, run: Running) -> None:
        row = self.rows[run.server.name]
        case = self.cases[data.ONE_CSV if data.ONE_CSV in row["cases"] else data.ONE_JSON]
        rate = statistics.median(row["cases"][case.name]["per_second"]) / 2
        result = drive_at(run.address, run.request(case), rate=rate, seconds=self.seconds)
        p50, p99 = (result.percentile(share) * 1000 for share in (0.5, 0.99))
        found = row.setdefault("half_load", {"p50_ms": [], "p99_ms": [], "ratio": []})
        for name, value in {"p50_ms": p50, "p99_ms": p99, "ratio": p99 / p50}.items():
            found[name].append(value)


def turned(runs: Sequence[Running], number: int) -> list[Running]:
    """Return servers in the order of one round: no place in it is like the others, so each gets each."""
    first = number % len(runs) if runs else 0
    return [*runs[first:], *runs[:first]]


def measure(run: Running, case: data.Case, seconds: float, *, clients: int | None = None) -> dict[str, float]:
    """Return the figures of one case under load; AssertionError where requests fail."""
    result = drive(
        run.address,
        run.request(case),
        clients=clients or case.clients,
        seconds=seconds,
        warm=_WARM_SECONDS,
        meter=lambda: cpu_seconds(run.pid),
    )
    assert result.failed == 0, f"{run.server.name}, {case.name}: {result.failed} of {result.requests} failed"
    return {
        "per_cpu_second": result.requests / max(result.cpu_seconds, 0.01),
        "per_second": result.requests / result.seconds,
        "p50_ms": result.percentile(0.5) * 1000,
        "p99_ms": result.percentile(0.99) * 1000,
    }


def limits(model: Path, seconds: float, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return requests per CPU second with no server, by case, from a process of its own."""
    argv = [sys.executable, "-m", "bench.limit", str(model), str(seconds), *names]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=True,
        timeout=120 + 10 * seconds * len(names),
    )
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def say(what: str) -> None:
    """Tell how far it is."""
    print(f"[{time.strftime('%H:%M:%S')}] {what}", flush=True)
