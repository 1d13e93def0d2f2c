"""The document that GET / shows: what answers here, and how it is asked."""

from __future__ import annotations

import json
from typing import Any

PREDICTIONS = "/invocations"
SESSIONS = "/invocations-bidirectional-stream"
ALIASES = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Where OpenAI's clients ask: the same as POST /invocations. nginx.conf has them, too."""
_ROUTES = {
    "POST /invocations": "Predictions. Content-Type says what the body is; Accept chooses the response's.",
    "POST /v1/chat/completions": "The same, for OpenAI's clients.",
    "POST /v1/completions": "The same, for OpenAI's clients.",
    "GET /invocations-bidirectional-stream": "A WebSocket, if the handler has a stream_fn.",
    "GET /adapters": "The adapters that are registered, if the handler has a load_adapter_fn.",
    "POST /adapters": 'Register one: {"name": NAME, "src": PATH}.',
    "POST /adapters/{name}": "Update it.",
    "DELETE /adapters/{name}": "Unregister it.",
    "GET /ping": "200 if predictions can be answered, otherwise 503 with the reason.",
    "GET /execution-parameters": "What a batch transform may send: concurrency, strategy and payload.",
    "GET /openapi.json": "These routes as an OpenAPI document, with the media types of this model.",
    "GET /metrics": "Metrics in Prometheus' text form.",
}


_OF_ONE_MODEL = frozenset(
    {
        *(f"POST {path}" for path in (PREDICTIONS, *ALIASES)),
        f"GET {SESSIONS}",
        *(route for route in _ROUTES if "/adapters" in route),
    }
)
_OF_MODELS = {
    "POST /models/{model_name}/invoke": _ROUTES["POST /invocations"],
    "GET /models": "The models that are loaded, 100 at a time: limit, next_page_token.",
    "POST /models": 'Load a model: {"model_name": NAME, "url": FOLDER}.',
    "GET /models/{model_name}": "One model.",
    "DELETE /models/{model_name}": "Unload it; its memory is free when this answers.",
    "GET /ping": "200 if models can be loaded and asked, otherwise 503 with the reason.",
}


def is_prediction(environ: dict[str, Any]) -> bool:
    """Return whether a request of WSGI is for a prediction; one by an alias gets the path's own name."""
    if environ["REQUEST_METHOD"] != "POST":
        return False
    if environ["PATH_INFO"] in ALIASES:
        environ["PATH_INFO"] = PREDICTIONS
    return bool(environ["PATH_INFO"] == PREDICTIONS)


def route_list(*, metrics: bool, models: bool = False) -> bytes:
    """Return the list of routes as JSON; with `metrics` that of /metrics too.

    With `models` it is the list of a server of several models.
    """
    routes = {route: text for route, text in _ROUTES.items() if metrics or route != "GET /metrics"}
    if models:
        routes = {route: text for route, text in routes.items() if route not in _OF_ONE_MODEL}
        routes = _OF_MODELS | {route: text for route, text in routes.items() if route not in _OF_MODELS}
    document = {"server": "mlberth", "description": "A model server.", "routes": routes}
    return json.dumps(document, indent=2).encode() + b"\n"
