"""MLflow's scoring server."""

from __future__ import annotations

import subprocess

import orjson
from bench.data import CSV, JSON, MODEL_FILE, Case
from bench.load import prepare
from bench.server import HOST, Command, Place, Server

_SAVE = (
    "import sys, joblib, mlflow.sklearn\n"
    "mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format='cloudpickle')\n"
)


def start(place: Place) -> Command:
    """Save the model in MLflow's own form, and return the server over it."""
    saved = place.folder / "saved"
    if not saved.exists():
        argv = [str(place.python), "-c", _SAVE, str(place.model / MODEL_FILE), str(saved)]
        subprocess.run(argv, check=True, cwd=place.folder, capture_output=True, timeout=120)
    argv = [
        *(place.command("mlflow"), "models", "serve", "--model-uri", str(saved), "--host", HOST),
        *("--port", str(place.port), "--workers", str(place.workers), "--env-manager", "local"),
    ]
    return Command(argv, {"MLFLOW_DISABLE_TELEMETRY": "true"})


def json_request(case: Case) -> bytes:
    """Return rows as `inputs`."""
    return prepare("/invocations", orjson.dumps({"inputs": case.rows.tolist()}), JSON)


def csv_request(case: Case) -> bytes:
    """Return rows below a line of names, which MLflow expects."""
    names = ",".join(f"x{column}" for column in range(case.rows.shape[1])).encode()
    return prepare("/invocations", names + b"\n" + case.body, CSV)


SERVER = Server(
    "MLflow",
    start,
    {JSON: json_request, CSV: csv_request},
    environment="mlflow",
    packages=("mlflow",),
)
