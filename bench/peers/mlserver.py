"""MLServer with its scikit-learn runtime."""

from __future__ import annotations

import json

import orjson
from bench.data import JSON, MODEL_FILE, Case
from bench.load import prepare
from bench.server import HOST, Command, Place, Server


def start(place: Place) -> Command:
    """Return the server over a folder with settings and one model."""
    http, grpc, metrics = place.ports[:3]
    settings = {
        "debug": False,
        "host": HOST,
        "http_port": http,
        "grpc_port": grpc,
        "metrics_port": metrics,
        "parallel_workers": place.workers,
    }
    model = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(place.model / MODEL_FILE)},
    }
    place.write("settings.json", json.dumps(settings))
    place.write("model-settings.json", json.dumps(model))
    return Command([place.command("mlserver"), "start", "."])


def request(case: Case) -> bytes:
    """Return rows as a tensor of the open inference protocol."""
    rows = case.rows
    tensor = {"name": "x", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return prepare("/v2/models/model/infer", orjson.dumps({"inputs": [tensor]}), JSON, JSON)


SERVER = Server(
    "MLServer",
    start,
    {JSON: request},
    ready="/v2/models/model/ready",
    environment="mlserver",
    packages=("mlserver", "mlserver-sklearn"),
)
