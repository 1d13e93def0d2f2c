"""mlberth's own `serve`: with its defaults, without batching, and with handlers made for a scenario."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.server import HOST, INVOCATIONS, Command, Place, Server

from mlberth_serve import variables

NAME, UNBATCHED, NOTHING = "mlberth", "mlberth, batching off", "mlberth, a handler that does nothing"
NO_SERVER = "mlberth, no server"
"""What a request takes in one process, with the handler that it gets where its user writes no code."""
BATCH_SIZE = "SAGEMAKER_BATCH_MAX_SIZE"
HANDLERS = Path(__file__).parent / "handlers"


def can_batch() -> bool:
    """Tell whether this mlberth batches requests."""
    return any(variable.name == BATCH_SIZE for variable in variables.ALL)


def make(
    name: str, *, handler: str = "", settings: Mapping[str, str] | None = None, answers_rows: bool = True
) -> Server:
    """Return `serve` with its defaults but for these settings, with one of the handlers or none."""

    def start(place: Place) -> Command:
        base = place.folder / "ml"
        if not base.exists():
            shutil.copytree(place.model, base / "model")
            if handler:
                (base / "model/code").mkdir()
                shutil.copy(HANDLERS / handler, base / "model/code/inference.py")
        environ = {
            "SAGEMAKER_BASE_DIR": str(base),
            "SAGEMAKER_BIND_TO_HOST": HOST,
            "SAGEMAKER_BIND_TO_PORT": str(place.port),
            "SAGEMAKER_MODEL_SERVER_WORKERS": str(place.workers),
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "ERROR",
            **(settings or {}),
        }
        return Command([sys.executable, "-m", "mlberth_serve"], environ)

    return Server(
        name, start, INVOCATIONS, packages=("gunicorn", "numpy", "scikit-learn"), answers_rows=answers_rows
    )


def servers() -> list[Server]:
    """Return what is compared with the peers: the defaults, and batching off where there is any."""
    unbatched = [make(UNBATCHED, settings={BATCH_SIZE: "1"})] if can_batch() else []
    return [make(NAME), *unbatched]
