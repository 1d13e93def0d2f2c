"""Train two models and serve them, with the commands that a user would type.

usage: demo.py [process | docker]

Lays out an /opt/ml-shaped tree for each example below build/demo, runs `train` there, then `serve`
on a free port of this machine, asks `/ping` and `/invocations`, and stops the server. The trees stay,
so that each step can be repeated by hand. With `docker` the same commands run in the images.
In the end, without Docker, `mlberth up` runs the same program as a training job and a transform job.
"""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from breast_cancer import write_channels
from engines import ENGINES, Docker, Process
from platform_demo import show as show_platform

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
TREES = PROJECT / "build" / "demo"
START_SECONDS = 60
STOP_SECONDS = 30
QUIET = {"SAGEMAKER_CONTAINER_LOG_LEVEL": "WARNING"}
PAGE = {"SAGEMAKER_TRY_PAGE": "true"}
"""With it a browser gets a page to try the model."""
Engine = Process | Docker


@dataclass(frozen=True)
class Example:
    """A program, its hyperparameters, and how to read a class out of its answers."""

    name: str
    title: str
    hyperparameters: dict[str, str]

    def labels(self, answer: list[object]) -> np.ndarray:
        """Return 0 or 1 for each prediction of a JSON answer."""
        if self.name == "sklearn":
            return np.array([row[0] == "benign" for row in answer])  # type: ignore[index]
        return np.array(answer, dtype=float) > 0.5


EXAMPLES = [
    Example(
        "xgboost",
        "XGBoost, served without a line of serving code",
        {"objective": "binary:logistic", "max_depth": "3", "eta": "0.2", "num_round": "40"},
    ),
    Example("sklearn", "scikit-learn, with a handler (inference.py)", {"C": "0.5", "max-iter": "200"}),
]


def say(text: str = "") -> None:
    """Print at once: the commands' own output goes to the same terminal."""
    print(text, flush=True)


def lay_out(example: Example, tree: Path) -> tuple[np.ndarray, np.ndarray]:
    """Make the tree that the platform would make; return the validation rows and labels."""
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ("input/config", "model", "output"):
        (tree / folder).mkdir(parents=True)
    shutil.copytree(HERE / example.name, tree / "code", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "input/config/hyperparameters.json").write_text(json.dumps(example.hyperparameters, indent=2))
    channel = {"TrainingInputMode": "File", "ContentType": "text/csv"}
    config = {"training": channel, "validation": channel}
    (tree / "input/config/inputdataconfig.json").write_text(json.dumps(config, indent=2))
    return write_channels(tree / "input/data")


def train(engine: Engine, example: Example, tree: Path) -> float:
    """Run `train`; return its seconds."""
    command = engine.train(example.name, tree)
    began = time.monotonic()
    code = subprocess.run(command.argv, env=command.environ, check=False, timeout=600).returncode
    if code != 0:
        sys.exit(f"train ended with exit code {code}; expected 0. {tree / 'output/failure'} says why.")
    return time.monotonic() - began


def start_server(
    engine: Engine, example: Example, tree: Path, port: int
) -> tuple[subprocess.Popen[bytes], float]:
    """Start `serve` and wait for its first 200; return it and the seconds that took."""
    command = engine.serve(example.name, tree, port, QUIET | PAGE)
    began = time.monotonic()
    server = subprocess.Popen(command.argv, env=command.environ)
    while time.monotonic() - began < START_SECONDS:
        if server.poll() is not None:
            sys.exit(f"serve ended with exit code {server.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2):
                return server, time.monotonic() - began
        except (OSError, http.client.HTTPException):  # not listening yet, or 503 while the model loads
            time.sleep(0.05)
    server.terminate()
    sys.exit(f"serve was not ready within {START_SECONDS} s")


def invoke(port: int, body: str, content_type: str, accept: str) -> str:
    """Return the answer to one prediction request."""
    headers = {"Content-Type": content_type, "Accept": accept}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def to_csv(rows: np.ndarray) -> str:
    """Return rows as CSV text."""
    return "\n".join(",".join(f"{cell:.10g}" for cell in row) for row in rows)


def try_server(example: Example, port: int, rows: np.ndarray, labels: np.ndarray) -> None:
    """Ask for predictions in CSV and JSON, print the answers, the accuracy and the time of a request."""
    two_csv, all_csv, two_json = to_csv(rows[:2]), to_csv(rows), json.dumps(rows[:2].tolist())
    say(f"  two rows as CSV  -> {invoke(port, two_csv, 'text/csv', 'text/csv')!r}")
    say(f"  two rows as JSON -> {invoke(port, two_json, 'application/json', 'application/json')}")
    answer = json.loads(invoke(port, all_csv, "text/csv", "application/json"))
    accuracy = (example.labels(answer) == labels.astype(bool)).mean()
    say(f"  all {len(rows)} validation rows over HTTP: accuracy {accuracy:.4f}")
    times = []
    for _ in range(50):
        began = time.perf_counter()
        invoke(port, two_csv, "text/csv", "text/csv")
        times.append(time.perf_counter() - began)
    say(f"  median time of a request, a new connection each: {sorted(times)[25] * 1000:.1f} ms")
    if accuracy < 0.9:
        sys.exit(f"found an accuracy of {accuracy:.4f}; expected at least 0.9")


def stop_server(server: subprocess.Popen[bytes]) -> float:
    """Stop the server as the platform does; return the seconds that took."""
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    code = server.wait(STOP_SECONDS)
    if code != 0:
        sys.exit(f"serve ended with exit code {code}; expected 0 after SIGTERM")
    return time.monotonic() - began


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def by_hand(engine: Engine, example: Example, tree: Path, rows: np.ndarray) -> str:
    """Return the commands that repeat this example."""
    return (
        f"  {engine.train(example.name, tree)}\n"
        f"  {engine.serve(example.name, tree, 8080, PAGE)}\n"
        f"  open http://127.0.0.1:8080/ in a browser to try the model, or:\n"
        f"  curl -i http://127.0.0.1:8080/ping\n"
        f"  curl -H 'Content-Type: text/csv' -d '{to_csv(rows[:1])}' http://127.0.0.1:8080/invocations"
    )


def show(engine: Engine, example: Example) -> None:
    """Run one example from its data to its predictions."""
    tree = TREES / example.name
    say(f"\n=== {example.title} ===")
    rows, labels = lay_out(example, tree)
    say(f"[1/3] train, on {tree.relative_to(PROJECT)}")
    say(f"  trained in {train(engine, example, tree):.1f} s")
    say("[2/3] serve")
    port = free_port()
    server, seconds = start_server(engine, example, tree, port)
    try:
        nginx = isinstance(engine, Docker) or shutil.which("nginx")
        front = "nginx -> gunicorn" if nginx else "gunicorn alone (nginx is not on PATH)"
        say(f"  {front}, ready after {seconds:.1f} s on port {port}: GET /ping -> 200")
        say("[3/3] predict")
        try_server(example, port, rows, labels)
        say(f"  stopped in {stop_server(server):.1f} s, exit code 0")
    finally:
        if server.poll() is None:
            server.terminate()  # not kill: that would end `docker run`, and leave its container
    say(f"By hand:\n{by_hand(engine, example, tree, rows)}")


def main() -> None:
    """Run every example."""
    name = sys.argv[1] if len(sys.argv) > 1 else "process"
    if name not in ENGINES:
        sys.exit(f"demo: found the engine {name!r}; expected {' or '.join(ENGINES)}")
    began = time.monotonic()
    for example in EXAMPLES:
        show(ENGINES[name], example)
    if name == "process":
        say("\n=== The platform: the same program as jobs of SageMaker's API, on this machine ===")
        show_platform(HERE / "sklearn", TREES / "sklearn", free_port())
    say(f"\nDone in {time.monotonic() - began:.1f} s. Nothing is left running; the trees are in {TREES}.")


if __name__ == "__main__":
    main()
