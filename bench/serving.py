"""How near serving comes to the bare model: requests per CPU second, of `serve` and in one process.

    python bench/serving.py [--rounds 3] [--seconds 3] [--clients 32]

The limit is the same decode, predict and encode with no server around it. Cases are interleaved;
figures are medians over the rounds. Writes bench/results/serving.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from load import cpu_seconds, drive, prepare, pss_bytes
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from mlberth_serve.application import Application
from mlberth_serve.codecs import CODECS
from mlberth_serve.context import Context
from mlberth_serve.media_types import parse_content_type
from mlberth_serve.settings import Settings

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    """One kind of request."""

    name: str
    content_type: str
    body: bytes


def cases(rows: np.ndarray) -> list[Case]:
    """Return the requests that are measured."""
    thousand = np.tile(rows, (2, 1))[:1000]
    wide = np.tile(rows, (40, 1))[:21845].astype(np.float64)  # 5 MB
    return [
        Case("1 row CSV", "text/csv", CODECS["text/csv"].encode(rows[:1])),
        Case("1 row JSON", "application/json", CODECS["application/json"].encode(rows[:1])),
        Case("1000 rows CSV", "text/csv", CODECS["text/csv"].encode(thousand)),
        Case("5 MB npy", "application/x-npy", CODECS["application/x-npy"].encode(wide)),
    ]


def limit(application: Application, case: Case, seconds: float) -> float:
    """Return requests per CPU second of decode, predict and encode in this process."""
    transformer = application._transformer  # noqa: SLF001 - the limit is what it does, without a server
    assert transformer is not None
    handler = transformer._handler  # noqa: SLF001
    media_type, codec = parse_content_type(case.content_type), CODECS[case.content_type]
    context = Context({}, "", case.content_type, case.content_type)
    count, began = 0, time.process_time()
    while (used := time.process_time() - began) < seconds:
        codec.encode(handler.predict_fn(codec.decode(case.body, media_type).array, handler.model, context))
        count += 1
    return count / used


@contextlib.contextmanager
def server(base: Path, port: int) -> Iterator[int]:
    """Run `serve` on a model folder; yields its process id."""
    settings = {
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "ERROR",
    }
    with subprocess.Popen([sys.executable, "-m", "mlberth_serve"], env=os.environ | settings) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2),
            ):
                break
            time.sleep(0.05)
        yield process.pid
        process.send_signal(signal.SIGTERM)


def measure(pid: int, port: int, case: Case, clients: int, seconds: float) -> dict[str, float]:
    """Return the figures of one case under load."""
    request = prepare("/invocations", case.body, case.content_type, case.content_type)
    drive(("127.0.0.1", port), request, clients=clients, seconds=seconds / 4)
    before = cpu_seconds(pid)
    result = drive(("127.0.0.1", port), request, clients=clients, seconds=seconds)
    used = cpu_seconds(pid) - before
    assert result.failed == 0, f"{result.failed} of {result.requests} requests failed"
    return {
        "per_cpu_second": result.requests / used,
        "per_second": result.requests / result.seconds,
        "p50_ms": result.percentile(0.5) * 1000,
        "p99_ms": result.percentile(0.99) * 1000,
    }


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=32)
    arguments = parser.parse_args()
    features, labels = load_breast_cancer(return_X_y=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "model").mkdir()
        joblib.dump(LogisticRegression(max_iter=5000).fit(features, labels), base / "model/model.joblib")
        application = Application(Settings.from_environ({"SAGEMAKER_BASE_DIR": folder}))
        application.load()
        rounds: list[dict[str, dict[str, float]]] = []
        with server(base, port) as pid:
            for _ in range(arguments.rounds):
                figures = {}
                for case in cases(features):
                    figures[case.name] = measure(pid, port, case, arguments.clients, arguments.seconds)
                    figures[case.name]["limit"] = limit(application, case, arguments.seconds / 3)
                rounds.append(figures)
            memory = pss_bytes(pid)
    report(rounds, memory, arguments)


def report(rounds: list[dict[str, dict[str, float]]], memory: int, arguments: argparse.Namespace) -> None:
    """Print the medians and write them down."""
    medians: dict[str, Any] = {
        case: {name: statistics.median(one[case][name] for one in rounds) for name in rounds[0][case]}
        for case in rounds[0]
    }
    print(f"{'':16}{'limit':>10}{'serve':>10}{'ratio':>8}{'µs':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for case, row in medians.items():
        row["ratio"] = row["per_cpu_second"] / row["limit"]
        print(
            f"{case:16}{row['limit']:10.0f}{row['per_cpu_second']:10.0f}{row['ratio']:8.2f}"
            f"{1e6 / row['per_cpu_second']:8.0f}{row['p50_ms']:9.2f}{row['p99_ms']:9.2f}"
        )
    print(f"memory of the tree (PSS): {memory / 1e6:.0f} MB")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    content = {"arguments": vars(arguments), "cases": medians, "pss_bytes": memory}
    (results / "serving.json").write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
