"""sagemaker-inference-toolkit on multi-model-server, with the configuration that the toolkit writes."""

from __future__ import annotations

import shutil

from bench.peers.flask_gthread import APPS
from bench.server import HOST, INVOCATIONS, Command, Place, Server


def properties(place: Place) -> str:
    """Return the server's configuration; the toolkit's own, but on the loopback alone."""
    return "\n".join(
        [
            "enable_envvars_config=true",
            "decode_input_request=false",
            "load_models=ALL",
            "default_response_timeout=60",
            f"default_workers_per_model={place.workers}",
            f"inference_address=http://{HOST}:{place.port}",
            f"management_address=http://{HOST}:{place.ports[1]}",
            "vmargs=-XX:-UseContainerSupport",
            "default_service_handler=sagemaker_inference.default_handler_service",
            "",
        ]
    )


def start(place: Place) -> Command:
    """Return the server in the foreground."""
    model = place.folder / "model"
    if not model.exists():
        shutil.copytree(place.model, model)
        (model / "code").mkdir()
        shutil.copy(APPS / "toolkit_handler.py", model / "code/inference.py")
    config = place.write("mms.properties", properties(place))
    argv = [
        *(place.command("multi-model-server"), "--start", "--foreground", "--model-store", "/"),
        *("--mms-config", str(config), "--models", f"model={model}"),
    ]
    return Command(argv, {"SAGEMAKER_BASE_DIR": str(place.folder), "PYTHONPATH": f"{model}/code:"})


SERVER = Server(
    "multi-model-server",
    start,
    INVOCATIONS,
    environment="multi_model_server",
    packages=("sagemaker-inference", "multi-model-server"),
    needs=("java",),
)
