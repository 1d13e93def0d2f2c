"""BentoML with a service of one method."""

from __future__ import annotations

import orjson
from bench.data import JSON, Case
from bench.load import prepare
from bench.peers.flask_gthread import APPS
from bench.server import HOST, Command, Place, Server


def start(place: Place) -> Command:
    """Return the server over the service."""
    argv = [
        *(place.command("bentoml"), "serve", "bento_app:Service", "--working-dir", str(APPS)),
        *("--host", HOST, "--port", str(place.port)),
    ]
    environ = {
        "BENCH_MODEL": str(place.model),
        "BENCH_WORKERS": str(place.workers),
        "BENTOML_HOME": str(place.folder),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    return Command(argv, environ)


def request(case: Case) -> bytes:
    """Return rows as the one argument of the method."""
    return prepare("/predict", orjson.dumps({"rows": case.rows.tolist()}), JSON, JSON)


SERVER = Server(
    "BentoML", start, {JSON: request}, ready="/readyz", environment="bentoml", packages=("bentoml",)
)
