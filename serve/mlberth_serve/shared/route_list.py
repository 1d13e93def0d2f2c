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


def route_list(*, metrics: bool) -> bytes:
    """Return the list of routes as JSON; with `metrics` that of /metrics too."""
    routes = {route: text for route, text in _ROUTES.items() if metrics or route != "GET /metrics"}
    document = {"server": "mlberth", "description": "A model server.", "routes": routes}
    return json.dumps(document, indent=2).encode() + b"\n"
