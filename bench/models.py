"""Several models in one server, beside multi-model-server: memory and time of each, and what a request costs.

    python -m bench.models [--models N] [--rounds N]

A model is the one of the other benchmarks. Memory is what each further model adds to the processes of a
server, shared pages counted by share; a request's cost is CPU time of all of them, for one row of CSV, with
one worker. Data capture is measured in the same way. Results go to bench/results/models.json and to the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import data, ours, sections
from bench.compare import FAILURES, Comparison, say
from bench.load import ask, drive, prepare
from bench.peers import PEERS
from bench.peers.flask_gthread import APPS
from bench.peers.multi_model_server import properties
from bench.processes import cpu_seconds, pss_bytes
from bench.server import HOST, Command, Place, Running, Server, running

ONE, CAPTURED, SEVERAL, PEER = "one model", "one model, captured", "several models", "multi-model-server"
RESULTS = sections.RESULTS / "models.json"
_CLIENTS = 4
_WARM = 20


@dataclass(frozen=True)
class Many:
    """A server of several models, and how it is asked."""

    server: Server
    load: Callable[[str, Path], bytes]
    unload: Callable[[str], bytes]
    invoke: Callable[[str, data.Case], bytes]
    management: int = 0
    """Which of the place's ports takes the first two."""


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, default=20, help="how many are loaded (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="of the requests, interleaved (default 3)")
    arguments = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="mlberth-bench-") as folder:
        comparison = Comparison(Path(folder), arguments.rounds, 1.0)
        data.train(comparison.model)
        for many in (own(), peer()):
            if comparison.install([many.server]):
                try:
                    found[many.server.name] = loads(comparison, many, arguments.models)
                except FAILURES as error:
                    comparison.skip(many.server, error)
        for name, cost in costs(comparison).items():
            found.setdefault(name, {})["request_us"] = cost
        report = {
            "machine": {
                "cpus": os.cpu_count(),
                "python": platform.python_version(),
                "load": round(os.getloadavg()[0], 1),
            },
            "models": arguments.models,
            "found": {
                name: {kind: round(one, 1) for kind, one in row.items()} for name, row in found.items()
            },
            "skipped": comparison.skipped,
        }
    RESULTS.write_text(json.dumps(report, indent=2) + "\n")
    sections.write()
    say(json.dumps(report["found"]))


def own() -> Many:
    """Return mlberth, which loads and answers at one port."""

    def start(place: Place) -> Command:
        (place.folder / "ml/models").mkdir(parents=True, exist_ok=True)
        environ = {
            "SAGEMAKER_BASE_DIR": str(place.folder / "ml"),
            "SAGEMAKER_BIND_TO_HOST": HOST,
            "SAGEMAKER_BIND_TO_PORT": str(place.port),
            "SAGEMAKER_MULTI_MODEL": "true",
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "ERROR",
        }
        return Command([sys.executable, "-m", "mlberth_serve"], environ)

    def load(name: str, folder: Path) -> bytes:
        body = json.dumps({"model_name": name, "url": str(folder)}).encode()
        return prepare("/models", body, data.JSON)

    return Many(
        Server(SEVERAL, start, {}),
        load,
        lambda name: prepare(f"/models/{name}", b"", "", method="DELETE"),
        lambda name, case: prepare(f"/models/{name}/invoke", case.body, case.content_type, case.content_type),
    )


def peer() -> Many:
    """Return multi-model-server with the toolkit's handler, as its multi-model images start it."""

    def start(place: Place) -> Command:
        config = place.write("mms.properties", properties(place).replace("load_models=ALL\n", ""))
        argv = [place.command("multi-model-server"), "--start", "--foreground", "--model-store", "/"]
        # The toolkit does not find a model's own code in time, so the handler is on the path of all.
        handler = place.write("handler/inference.py", (APPS / "toolkit_handler.py").read_text())
        environ = {"SAGEMAKER_MULTI_MODEL": "true", "PYTHONPATH": str(handler.parent)}
        return Command([*argv, "--mms-config", str(config)], environ)

    def load(name: str, folder: Path) -> bytes:
        query = f"model_name={name}&url={folder}&initial_workers=1&synchronous=true"
        return prepare(f"/models?{query}", b"", "")

    return Many(
        replace(PEERS[PEER], start=start),
        load,
        lambda name: prepare(f"/models/{name}", b"", "", method="DELETE"),
        lambda name, case: prepare(f"/predictions/{name}", case.body, case.content_type, case.content_type),
        management=1,
    )


def loads(comparison: Comparison, many: Many, count: int) -> dict[str, float]:
    """Return the MB that each further model takes, and the ms of a load and of an unload."""
    say(f"{many.server.name}: {count} models")
    place, case = replace(comparison.place(many.server), workers=1), comparison.cases[data.ONE_CSV]
    with running(many.server, place) as run:
        address = (HOST, place.ports[many.management])

        def come(number: int) -> float:
            folder = place.folder / f"ml/models/m{number}"
            shutil.copytree(comparison.model, folder)
            began = time.perf_counter()
            expect(*ask(address, many.load(f"m{number}", folder)))
            took = time.perf_counter() - began
            for _ in range(_WARM):
                expect(*ask(run.address, many.invoke(f"m{number}", case)))
            return took * 1000

        def go(number: int) -> float:
            began = time.perf_counter()
            expect(*ask(address, many.unload(f"m{number}")))
            return (time.perf_counter() - began) * 1000

        come(0)
        before = pss_bytes(run.pid)
        times = [come(number) for number in range(1, count)]
        memory = (pss_bytes(run.pid) - before) / (count - 1) / 1e6
        ends = [go(number) for number in range(1, count)]
    return {"mb_a_model": memory, "load_ms": statistics.median(times), "unload_ms": statistics.median(ends)}


def costs(comparison: Comparison) -> dict[str, float]:
    """Return the CPU time of a request in µs, for our own servers in turn, round after round."""
    say("requests")
    many, case = own(), comparison.cases[data.ONE_CSV]
    capture = {"SAGEMAKER_DATA_CAPTURE_DESTINATION": str(comparison.folder / "captured")}
    servers = [ours.make(ONE), ours.make(CAPTURED, settings=capture), replace(many.server, name=SEVERAL)]
    found: dict[str, list[float]] = {server.name: [] for server in servers}
    with ExitStack() as stack:
        asked: list[tuple[Running, bytes]] = []
        for server in servers:
            place = replace(comparison.place(server, name=f"cost {server.name}".replace(" ", "-")), workers=1)
            run = stack.enter_context(running(server, place))
            if server.name == SEVERAL:
                folder = place.folder / "ml/models/m"
                shutil.copytree(comparison.model, folder)
                expect(*ask(run.address, many.load("m", folder)))
                asked.append((run, many.invoke("m", case)))
            else:
                asked.append((run, run.request(case)))
        for _ in range(comparison.rounds):
            for run, request in asked:
                result = drive(
                    run.address,
                    request,
                    clients=_CLIENTS,
                    seconds=comparison.seconds,
                    warm=0.3,
                    meter=lambda run=run: cpu_seconds(run.pid),  # type: ignore[misc]
                )
                found[run.server.name].append(result.cpu_seconds / result.requests * 1e6)
    return {name: statistics.median(values) for name, values in found.items()}


def expect(ok: bool, body: bytes) -> None:
    """Raise AssertionError for an answer that is no 200."""
    assert ok, body[:200]


if __name__ == "__main__":
    main()
