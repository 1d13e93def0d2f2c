"""The documents that nginx answers for the model manager: what is served here, for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlberth
from mlberth_serve.settings import Settings
from mlberth_serve.shared.model_names import MAX_NAME
from mlberth_serve.shared.run_directory import write_private

_NAME = {
    "name": "model_name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "maxLength": MAX_NAME},
}
_ERROR = {
    "type": "object",
    "required": ["code", "type", "message"],
    "properties": {"code": {"type": "integer"}, "type": {"type": "string"}, "message": {"type": "string"}},
}
_INVOCATION_ERROR = {
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
_MODEL = {
    "type": "object",
    "required": ["modelName", "modelUrl"],
    "properties": {"modelName": {"type": "string"}, "modelUrl": {"type": "string"}},
}
_LOAD = {
    "type": "object",
    "required": ["model_name", "url"],
    "properties": {"model_name": _NAME["schema"], "url": {"type": "string"}},
}
_LIST = {
    "type": "object",
    "required": ["models"],
    "properties": {"nextPageToken": {"type": "string"}, "models": {"type": "array", "items": _MODEL}},
}
_STATUSES = {
    400: "The name, the folder, or the body of the request is not one that is taken.",
    404: "The model is not loaded, or its folder is not there.",
    405: "Allow names the methods that this path takes.",
    406: "Nothing that Accept asks for can be written.",
    409: "The model is loaded already.",
    413: "The body is larger than the limit.",
    415: "The Content-Type cannot be read.",
    500: "The model could not be loaded, or its handler or the server failed.",
    502: "The worker died with this request.",
    503: "As many requests wait as may, or the model's processes are being replaced.",
    504: "There was no answer in time.",
    507: "There is not enough memory; unload other models.",
}


def write_documents(folder: Path, settings: Settings) -> None:
    """Write what nginx answers to /openapi.json and /execution-parameters; raises OSError."""
    folder.mkdir(mode=0o700)
    write_private(folder / "openapi.json", json.dumps(describe()))
    write_private(folder / "execution-parameters", json.dumps(settings.execution_parameters))


def describe() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a server of several models."""
    invoke = _operation("invoke", "Predict.", {}, 400, 404, 406, 413, 415, 502, 503, 504, 507)
    invoke |= {"parameters": [_NAME], "requestBody": {"required": True, "content": {"*/*": {}}}}
    load = _operation("loadModel", "Load a model.", {"type": "object"}, 400, 404, 409, 413, 507)
    load["requestBody"] = {"required": True, "content": {"application/json": {"schema": _LOAD}}}
    listing = _operation("listModels", "The models that are loaded, by name.", _LIST, 400)
    listing["parameters"] = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
        {"name": "next_page_token", "in": "query", "schema": {"type": "string"}},
    ]
    show = _operation("describeModel", "One model.", _MODEL, 404) | {"parameters": [_NAME]}
    unload = _operation(
        "unloadModel", "Unload a model; its memory is free when this answers.", {"type": "object"}, 404
    )
    unload["parameters"] = [_NAME]
    ping = _operation("ping", "Whether models can be loaded and asked.", {}, 503)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Models, served by mlberth", "version": mlberth.__version__},
        "paths": {
            "/ping": {"get": ping},
            "/models": {"get": listing, "post": load},
            "/models/{model_name}": {"get": show, "delete": unload},
            "/models/{model_name}/invoke": {"post": invoke},
            "/execution-parameters": {
                "get": _operation(
                    "executionParameters", "What a batch transform should know.", {"type": "object"}
                )
            },
            "/openapi.json": {"get": _operation("openapi", "This document.", {"type": "object"})},
        },
        "components": {"schemas": {"Error": _ERROR, "InvocationError": _INVOCATION_ERROR}},
    }


def _operation(name: str, summary: str, schema: dict[str, Any], *errors: int) -> dict[str, Any]:
    kind = "InvocationError" if name in ("invoke", "ping") else "Error"
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind}"}}}
    found = {"application/json": {"schema": schema}} if schema else {}
    responses = {"200": {"description": summary, **({"content": found} if found else {})}}
    for status in sorted({*errors, 405, 500}):
        responses[str(status)] = {"description": _STATUSES[status], "content": content}
    return {"operationId": name, "summary": summary, "responses": responses}
