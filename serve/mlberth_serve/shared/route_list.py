"""The document that GET / shows: what answers here, and how it is asked."""

from __future__ import annotations

import json

_ROUTES = {
    "POST /invocations": "Predictions. Content-Type says what the body is; Accept chooses the response's.",
    "GET /ping": "200 if predictions can be answered, otherwise 503 with the reason.",
    "GET /execution-parameters": "What a batch transform may send: concurrency, strategy and payload.",
    "GET /openapi.json": "These routes as an OpenAPI document, with the media types of this model.",
    "GET /metrics": "Metrics in Prometheus' text form.",
}


_OF_MODELS = {
    "POST /models/{model_name}/invoke": _ROUTES["POST /invocations"],
    "GET /models": "The models that are loaded, 100 at a time: limit, next_page_token.",
    "POST /models": 'Load a model: {"model_name": NAME, "url": FOLDER}.',
    "GET /models/{model_name}": "One model.",
    "DELETE /models/{model_name}": "Unload it; its memory is free when this answers.",
    "GET /ping": "200 if models can be loaded and asked, otherwise 503 with the reason.",
}


def route_list(*, metrics: bool, models: bool = False) -> bytes:
    """Return the list of routes as JSON; with `metrics` that of /metrics too.

    With `models` it is the list of a server of several models.
    """
    routes = {route: text for route, text in _ROUTES.items() if metrics or route != "GET /metrics"}
    if models:
        del routes["POST /invocations"]
        routes = _OF_MODELS | {route: text for route, text in routes.items() if route not in _OF_MODELS}
    document = {"server": "mlberth", "description": "A model server.", "routes": routes}
    return json.dumps(document, indent=2).encode() + b"\n"
