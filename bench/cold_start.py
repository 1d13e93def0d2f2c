"""How long a start takes: from `serve` to the first 200 of /ping, beyond what the model alone takes.

    python -m bench.cold_start [--rounds 10]

The bare start is a Python that imports the framework and loads the same model. Both are interleaved;
the least time of each says what the machine can do when nobody else disturbs it. `make bench` measures it
too; by itself it writes bench/results/cold_start.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import data
from bench.compare import Comparison
from bench.processes import cpu_seconds

from mlberth_serve.control.commands import gunicorn_environment

HERE = Path(__file__).resolve().parent
_BARE = "import os, sys, joblib; joblib.load(sys.argv[1]); os._exit(0)"  # a server goes on then
_LONGEST = 120.0


def bare_seconds(model: Path) -> tuple[float, float]:
    """Return how long a Python takes to load the model, and the CPU seconds of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _BARE, str(model)], env=gunicorn_environment(os.environ), check=True
    )
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def serve_seconds(base: Path) -> tuple[float, float]:
    """Return how long `serve` takes to its first 200, and the CPU seconds that it has used by then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_HOST": "127.0.0.1",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
        "SAGEMAKER_CONTAINER_LOG_LEVEL": "ERROR",
    }
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "mlberth_serve"], env=os.environ | settings) as process:
        while process.poll() is None and time.perf_counter() - began < _LONGEST and not is_ready(port):
            time.sleep(0.005)
        took, used = time.perf_counter() - began, cpu_seconds(process.pid)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0, process.returncode
    return took, used


def is_ready(port: int) -> bool:
    """Tell whether /ping is 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(b"GET /ping HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return client.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def take(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Measure with the model of a comparison, as often as it measures everything."""
    return measure(comparison.folder, comparison.rounds)


def measure(base: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return wall and CPU time of both starts of the model in base/model, and what `serve` takes beyond."""
    model = base / "model" / data.MODEL_FILE
    found = [(*bare_seconds(model), *serve_seconds(base)) for _ in range(rounds)]
    columns = [[1000 * value for value in column] for column in zip(*found, strict=True)]
    figures = {
        name: {"least_ms": min(column), "median_ms": statistics.median(column)}
        for name, column in zip(("bare", "bare_cpu", "serve", "serve_cpu"), columns, strict=True)
    }
    for kind in ("", "_cpu"):
        bare, serve = figures["bare" + kind], figures["serve" + kind]
        figures["beyond" + kind] = {name: serve[name] - bare[name] for name in bare}
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data.train(Path(folder) / "model")
        figures = measure(Path(folder), arguments.rounds)
    print(f"{'':12}{'least ms':>10}{'median ms':>11}")
    for name, row in figures.items():
        print(f"{name:12}{row['least_ms']:10.0f}{row['median_ms']:11.0f}")
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "cold_start.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
