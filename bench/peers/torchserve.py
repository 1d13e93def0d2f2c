"""TorchServe with a handler of one's own."""

from __future__ import annotations

import subprocess

from bench.data import JSON, MODEL_FILE, NPY
from bench.peers.flask_gthread import APPS
from bench.server import HOST, Command, Place, Server, plain


def properties(place: Place) -> str:
    """Return the server's configuration, on the loopback alone."""
    http, management, metrics, grpc, grpc_management = place.ports[:5]
    return "\n".join(
        [
            f"inference_address=http://{HOST}:{http}",
            f"management_address=http://{HOST}:{management}",
            f"metrics_address=http://{HOST}:{metrics}",
            f"grpc_inference_port={grpc}",
            f"grpc_management_port={grpc_management}",
            f"default_workers_per_model={place.workers}",
            "disable_token_authorization=true",
            "disable_system_metrics=true",
            "",
        ]
    )


def start(place: Place) -> Command:
    """Archive the model with its handler, and return the server in the foreground."""
    if not (place.folder / "model.mar").exists():
        archive = [
            *(place.command("torch-model-archiver"), "--model-name", "model", "--version", "1"),
            *("--handler", str(APPS / "torch_handler.py"), "--extra-files", str(place.model / MODEL_FILE)),
        ]
        subprocess.run(archive, check=True, cwd=place.folder, capture_output=True, timeout=120)
    config = place.write("ts.properties", properties(place))
    argv = [
        *(place.command("torchserve"), "--start", "--foreground", "--model-store", "."),
        *("--ts-config", str(config), "--models", "model=model.mar", "--disable-token-auth"),
    ]
    return Command(argv)


PATH = "/predictions/model"
SERVER = Server(
    "TorchServe",
    start,
    {JSON: plain(PATH), NPY: plain(PATH)},
    environment="torchserve",
    packages=("torchserve", "torch"),
    needs=("java",),
)
