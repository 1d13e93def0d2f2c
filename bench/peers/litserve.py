"""LitServe with an API of one model."""

from __future__ import annotations

import orjson
from bench.data import JSON, Case
from bench.load import prepare
from bench.peers.flask_gthread import APPS
from bench.server import HOST, Command, Place, Server


def start(place: Place) -> Command:
    """Return the program that runs the server."""
    argv = [str(place.python), str(APPS / "lit_app.py"), HOST, str(place.port), str(place.workers)]
    return Command([*argv, str(place.model)])


def request(case: Case) -> bytes:
    """Return rows as a field of a JSON object."""
    return prepare("/predict", orjson.dumps({"input": case.rows.tolist()}), JSON, JSON)


SERVER = Server(
    "LitServe", start, {JSON: request}, ready="/health", environment="litserve", packages=("litserve",)
)
