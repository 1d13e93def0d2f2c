"""The OpenAPI 3.1 document of a server: routes, bodies and errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import mlberth
from mlberth_serve.app.http_response import JSON, REQUEST_ID
from mlberth_serve.handler.context import ADAPTER_IDENTIFIER, INFERENCE_ID
from mlberth_serve.handler.response_headers import CUSTOM_ATTRIBUTES, LONGEST_CUSTOM_ATTRIBUTES
from mlberth_serve.media_types import TEXT

Document = dict[str, Any]

STATUSES = {
    400: "The body or a header cannot be read.",
    404: "There is nothing at this path.",
    405: "Allow names the methods that this path takes.",
    406: "Nothing that Accept asks for can be written.",
    409: "There is one of this name.",
    413: "The body is larger than the limit (SAGEMAKER_MAX_PAYLOAD_IN_MB).",
    415: "The Content-Type cannot be read.",
    426: "Only a WebSocket is opened here.",
    500: "The handler, or the server, failed.",
    501: "The handler has no function for this.",
    502: "The worker died with this request.",
    503: "No model is ready.",
    504: "There was no answer in time (SAGEMAKER_MODEL_SERVER_TIMEOUT).",
    507: "The handler ran out of memory, or the server of room to keep the request.",
}
"""What each error says; a handler may answer with others."""
_EVERYWHERE = (500, 502, 503, 504)
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "request_id")},
        }
    },
}
_EXECUTION_PARAMETERS = {
    "type": "object",
    "properties": {
        "MaxConcurrentTransforms": {"type": "integer", "minimum": 1},
        "BatchStrategy": {"enum": ["MULTI_RECORD", "SINGLE_RECORD"]},
        "MaxPayloadInMB": {"type": "integer", "minimum": 0},
    },
}


_SOURCE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "src": {"type": "string"},
        "preload": {"type": "boolean"},
        "pin": {"type": "boolean"},
    },
}
"""What is said of an adapter."""


def describe(
    reads: Iterable[str],
    writes: Iterable[str],
    examples: Mapping[str, Any] | None = None,
    *,
    has_stream: bool = False,
    has_sessions: bool = False,
    has_adapters: bool = False,
) -> Document:
    """Return the document of a server that reads and writes bodies of some media types.

    `examples` are bodies by their media types; `has_stream` is for streams in both directions.
    """
    predict = _invocations("invocations", reads, writes, examples or {})
    if has_sessions:
        from mlberth_serve.app.stateful_sessions import CLOSED_SESSION_ID, NEW_SESSION_ID, SESSION_ID

        predict["parameters"].append(_header(SESSION_ID))
        for name in (NEW_SESSION_ID, CLOSED_SESSION_ID):
            predict["responses"]["200"]["headers"][name] = {"schema": {"type": "string"}}
    if has_adapters:
        predict["parameters"].append(_header(ADAPTER_IDENTIFIER))
    return {
        "openapi": "3.1.0",
        "info": {"title": "A model, served by mlberth", "version": mlberth.__version__},
        "paths": {
            "/ping": {"get": _ping()},
            "/invocations": {"post": predict},
            "/v1/chat/completions": {"post": _invocations("chatCompletions", reads, writes, {})},
            "/v1/completions": {"post": _invocations("completions", reads, writes, {})},
            **({"/invocations-bidirectional-stream": {"get": _stream()}} if has_stream else {}),
            **(_adapters() if has_adapters else {}),
            "/execution-parameters": {
                "get": _get(
                    "What a batch transform should know.", "executionParameters", _EXECUTION_PARAMETERS
                )
            },
            "/openapi.json": {"get": _get("This document.", "openapi", {"type": "object"})},
            "/": {
                "get": _get("The routes of this server.", "routes", {"type": "object"}),
                "options": _get(
                    "This document, as model servers have it.", "description", {"type": "object"}
                ),
            },
        },
        "components": {
            "schemas": {"Error": _ERROR},
            "headers": {
                "RequestId": {
                    "description": "The request's id, also in the log.",
                    "schema": {"type": "string"},
                }
            },
            "responses": {f"Error{status}": _error(text) for status, text in STATUSES.items()},
        },
    }


def _ping() -> Document:
    return {
        "operationId": "ping",
        "summary": "Whether the model is ready.",
        "responses": {
            "200": {"description": "A worker has loaded the model."},
            "405": _reference(405),
            "503": _reference(503),
        },
    }


def _stream() -> Document:
    return {
        "operationId": "stream",
        "summary": "Open a WebSocket, for messages in both directions.",
        "responses": {"101": {"description": "Messages go both ways."}} | _errors(400, 426),
    }


def _adapters() -> Document:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    update = _change("updateAdapter", "Load an adapter anew.", _SOURCE, 400, 404)
    remove = _change("unregisterAdapter", "Unregister an adapter.", None, 404)
    register = _SOURCE | {"required": ["name", "src"]}
    return {
        "/adapters": {
            "get": _get("The adapters that are registered.", "adapters", {"type": "object"}),
            "post": _change("registerAdapter", "Register an adapter.", register, 400, 404, 409, 413),
        },
        "/adapters/{name}": {
            "post": update | {"parameters": [name]},
            "delete": remove | {"parameters": [name]},
        },
    }


def _change(name: str, summary: str, schema: Document | None, *errors: int) -> Document:
    answer = {"description": summary, "content": {TEXT: {"schema": {"type": "string"}}}}
    body = {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}} if schema else {}
    return {"operationId": name, "summary": summary, "responses": {"200": answer} | _errors(*errors), **body}


def _invocations(
    name: str, reads: Iterable[str], writes: Iterable[str], examples: Mapping[str, Any]
) -> Document:
    names = dict.fromkeys([*reads, *examples])
    return {
        "operationId": name,
        "summary": "Predict.",
        "parameters": [_header(CUSTOM_ATTRIBUTES, LONGEST_CUSTOM_ATTRIBUTES), _header(INFERENCE_ID)],
        "requestBody": {
            "required": True,
            "content": {name: {"example": examples[name]} if name in examples else {} for name in names},
        },
        "responses": {
            "200": {
                "description": "The prediction, as Accept asks for it; in chunks if the handler streams it.",
                "headers": {REQUEST_ID: {"$ref": "#/components/headers/RequestId"}},
                "content": {name: {} for name in writes},
            }
        }
        | _errors(400, 406, 413, 415, 507),
    }


def _get(summary: str, name: str, schema: Document) -> Document:
    answer = {"description": summary, "content": {JSON: {"schema": schema}}}
    return {"operationId": name, "summary": summary, "responses": {"200": answer} | _errors()}


def _header(name: str, maximum: int | None = None) -> Document:
    limit = {"maxLength": maximum} if maximum else {}
    return {"name": name, "in": "header", "schema": {"type": "string", **limit}}


def _errors(*statuses: int) -> Document:
    return {str(status): _reference(status) for status in sorted({*statuses, 405, *_EVERYWHERE})}


def _reference(status: int) -> Document:
    return {"$ref": f"#/components/responses/Error{status}"}


def _error(text: str) -> Document:
    return {
        "description": text,
        "headers": {REQUEST_ID: {"$ref": "#/components/headers/RequestId"}},
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
