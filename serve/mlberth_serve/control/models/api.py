"""The multi-model API: what each request to /models means, and what it is answered.

Source: the platform's contract for multi-model containers; bodies and words are multi-model-server's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from mlberth.contract.resources import read_resident
from mlberth_serve.control.models.errors import ModelsError, not_found
from mlberth_serve.control.models.http import Answer, Request
from mlberth_serve.control.models.model import Model, State
from mlberth_serve.control.models.names import check_name, is_name
from mlberth_serve.control.models.registry import Operation, Registry

_MAX_PAGE = 100
_MIB = 1024 * 1024
_PREFIX = "/models"
_ALLOWED = {"list": "GET, HEAD, POST", "model": "GET, HEAD, DELETE"}


def handle(request: Request, registry: Registry, workers: int) -> Answer | Operation:
    """Return the answer to a request, or the operation whose end it has to wait for."""
    try:
        return _route(request, registry, workers)
    except ModelsError as error:
        return answer_error(error)


def answer_operation(operation: Operation) -> Answer:
    """Return the answer to an operation that is over."""
    result = operation.result
    assert result is not None
    return answer_error(result) if isinstance(result, ModelsError) else Answer(200, result)


def answer_error(error: ModelsError) -> Answer:
    """Return an error as an answer."""
    return Answer(error.status, error.body, error.headers)


def _route(request: Request, registry: Registry, workers: int) -> Answer | Operation:
    name = request.path.removeprefix(f"{_PREFIX}/") if request.path.startswith(f"{_PREFIX}/") else None
    method = "GET" if request.method == "HEAD" else request.method
    if request.path == _PREFIX:
        if method == "GET":
            return Answer(200, _list(request.query, registry))
        if method == "POST":
            fields = _fields(request)
            return registry.load(check_name(fields.get("model_name")), _url(fields))
        raise _wrong_method("list")
    if not name or not is_name(name):
        raise not_found(name[:_MAX_PAGE] if name else "")
    if method == "GET":
        return Answer(200, _describe(registry.loaded(name), workers))
    if method == "DELETE":
        return registry.unload(name)
    raise _wrong_method("model")


def _wrong_method(route: str) -> ModelsError:
    allowed = _ALLOWED[route]
    return ModelsError(405, f"Requested method is not allowed; this path takes {allowed}.", allow=allowed)


def _fields(request: Request) -> Mapping[str, Any]:
    """Return what a request to load says: in a body of JSON, or in the query as multi-model-server has it."""
    if not request.body.strip():
        return request.query
    try:
        fields = json.loads(request.body)
    except (ValueError, RecursionError):
        raise ModelsError(400, "The body is no JSON; expected model_name and url.") from None
    if not isinstance(fields, dict):
        raise ModelsError(400, "The body is no JSON object; expected model_name and url.")
    return fields


def _url(fields: Mapping[str, Any]) -> str:
    url = fields.get("url")
    if url is None or url == "":
        raise ModelsError(400, "Parameter url is required.")
    if not isinstance(url, str):
        raise ModelsError(400, "Parameter url is no text; expected the path of a folder.")
    return url


def _list(query: Mapping[str, str], registry: Registry) -> dict[str, object]:
    """Return a page of the models that are loaded, by name."""
    limit, start = _number(query, "limit", _MAX_PAGE), _number(query, "next_page_token", 0)
    if not 1 <= limit <= _MAX_PAGE:
        raise ModelsError(400, f"Parameter limit is out of range; expected 1 to {_MAX_PAGE}.")
    models = registry.all_loaded()
    page = models[start : start + limit]
    more = {"nextPageToken": str(start + limit)} if start + limit < len(models) else {}
    return {**more, "models": [{"modelName": model.name, "modelUrl": model.url} for model in page]}


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ModelsError(400, f"Parameter {name} is no number.")
    return int(text)


def _describe(model: Model, workers: int) -> dict[str, object]:
    """Return what is known of a model, first what the contract asks for.

    Source: DescribeModelResponse.java of multi-model-server.
    """
    pids = model.worker_pids() if model.state is State.READY else []
    began = datetime.fromtimestamp(model.started, timezone.utc).isoformat(timespec="milliseconds")
    return {
        "modelName": model.name,
        "modelUrl": model.url,
        "runtime": "python",
        "minWorkers": workers,
        "maxWorkers": workers,
        "loadedAtStartup": False,
        "status": model.state.value,
        "workers": [
            {
                "id": str(number),
                "startTime": began,
                "status": "READY",
                "gpu": False,
                "memoryUsage": (read_resident(pid) or 0) // _MIB,
            }
            for number, pid in enumerate(pids)
        ],
    }
