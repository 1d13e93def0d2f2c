"""Measure batch transform beside what the model server can answer, and beside the SDK's local mode.

python -m bench.transform [SECONDS [ROUNDS]]

All send to the same server, one after another: `bench.load` over as many kept connections as the transform
has; the platform's own transformation of an object; one kept connection; and the loop of SDK v2's local mode,
unmodified.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.data import CSV, ONE_CSV, cases, train
from bench.load import Address, drive, prepare
from bench.ours import NAME, make
from bench.server import Place, running
from tests.peers import SDK_V2, python_with
from tests.support import free_port

from mlberth_local.transform.model_client import ModelClient, Parameters
from mlberth_local.transform.splitting import line_blocks
from mlberth_local.transform.transformation import Form, Transformation

_LOCAL_MODE = """
import logging, sys, time
from types import SimpleNamespace
logging.disable()
from sagemaker.local.entities import _LocalTransformJob
from sagemaker.local.local_session import LocalSagemakerRuntimeClient

port, source, target, strategy, megabytes = sys.argv[1:]
job = object.__new__(_LocalTransformJob)
config = {"local": {"serving_port": int(port)}}
job.name, job.container = "job", SimpleNamespace(stop_serving=lambda: None)
job.local_session = SimpleNamespace(
    config=config, sagemaker_runtime_client=LocalSagemakerRuntimeClient(config)
)
source = {"DataSource": {"S3DataSource": {"S3Uri": f"file://{source}"}}, "SplitType": "Line"}
began = time.perf_counter()
job._perform_batch_inference(
    {**source, "ContentType": "text/csv"},
    {"S3OutputPath": f"file://{target}", "Accept": "text/csv", "AssembleWith": "Line"},
    BatchStrategy=strategy,
    MaxPayloadInMB=megabytes,
)
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Case:
    """A transformation that is measured."""

    name: str
    strategy: str
    concurrency: int
    workers: int
    handler: str = ""
    """In place of the model's own."""


CASES = (
    Case("a request for each row", "SingleRecord", 16, 2),
    Case("requests of 1 MB", "MultiRecord", 4, 2),
    Case("a model that waits 100 ms", "SingleRecord", 16, 16, "slow.py"),
)


def main(seconds: float = 2.0, rounds: float = 5) -> None:
    """Print a table of the cases, and how far the bars are reached."""
    python = python_with(SDK_V2)
    titles = ("server", "transform", "in turn", "SDK", "over server", "over SDK")
    print(f"{'rows a second':28}" + "".join(f"{title:>12}" for title in titles))
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="bench-transform-") as folder:
            direct, ours, alone, sdk = measure(case, Path(folder), python, seconds, int(rounds))
        over = median(mine / theirs for mine, theirs in zip(ours, direct, strict=True))
        figures = [f"{rate:12.0f}" for rate in (median(direct), median(ours), alone, sdk)]
        print(f"{case.name:28}{''.join(figures)}{over:12.2f}{median(ours) / sdk:12.1f}")
    print("at least 0.8 and 5 wanted")


def measure(
    case: Case, folder: Path, python: str, seconds: float, rounds: int
) -> tuple[list[float], list[float], float, float]:
    """Return the rows a second of the server and of ours in each round, of one client, and of the SDK."""
    train(folder / "model")
    port = free_port()
    place = Place(folder / "serve", folder / "model", Path(sys.executable), (port,), case.workers)
    with running(make(NAME, handler=case.handler), place) as server:
        row = cases()[ONE_CSV].body
        body, rows = row.rstrip(), 1
        if case.strategy == "MultiRecord":
            lines = folder / "lines"
            lines.write_bytes(row * (2 * 1024 * 1024 // len(row)))
            with lines.open("rb") as stream:
                body = next(line_blocks(stream, 1024 * 1024))
            rows = body.count(b"\n") + 1
        request = prepare("/invocations", body, CSV, CSV)

        def ask(clients: int) -> float:
            found = drive(server.address, request, clients=clients, seconds=seconds)
            assert not found.failed
            return rows * found.requests / found.seconds

        rate = ask(case.concurrency)  # warms up as well, and says how much is enough
        source = folder / "in"
        source.write_bytes(row * max(case.concurrency * rows, int(rate * seconds)))
        few = folder / "few"
        few.write_bytes(row * max(rows, int(rate * seconds / (case.concurrency if rows == 1 else 1))))
        found = [
            (ask(case.concurrency), transformed(case, server.address, source, folder / "out"))
            for _ in range(rounds)
        ]
        alone, sdk = ask(1), by_sdk(case, python, port, few, folder / "sdk")
    return [one[0] for one in found], [one[1] for one in found], alone, sdk


def transformed(case: Case, address: Address, source: Path, target: Path) -> float:
    """Return the rows a second of the platform's senders."""
    client = ModelClient(address[1], content_type=CSV, accept=CSV)
    transformation = Transformation(
        client, Parameters(case.concurrency, 1, case.strategy), Form("Line", "Line")
    )
    began = time.perf_counter()
    transformation.run(source, target, lambda: False)
    took = time.perf_counter() - began
    transformation.close()
    count = target.read_bytes().count(b"\n")
    assert count == source.read_bytes().count(b"\n"), f"{count} rows came back"
    return count / took


def by_sdk(case: Case, python: str, port: int, source: Path, target: Path) -> float:
    """Return the rows a second of the SDK's loop."""
    target.mkdir(exist_ok=True)
    words = [python, "-c", _LOCAL_MODE, str(port), str(source), str(target), case.strategy, "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-2000:]}"
    return source.read_bytes().count(b"\n") / float(done.stdout.split()[-1])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
