"""An operation called for a request: refused parameters are refused, a repeated token changes nothing."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlberth_local.api import registry
from mlberth_local.api.routing import Route
from mlberth_local.errors import ValidationError
from mlberth_local.files import write_atomically
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import Platform

TOKENS = "tokens"
"""The folder, in a platform's home, of what was answered to requests with a token."""
_LOCK = threading.Lock()
_RUNNING: dict[str, threading.Lock] = {}


def call(platform: Platform, route: Route, operation: Operation, request: dict[str, Any]) -> dict[str, Any]:
    """Return the result of an operation. Raises `ServiceError`."""
    if refused := list(_refused(registry.exceptions(route.service, route.operation), request)):
        raise ValidationError(" ".join(refused))
    token = next((str(request[name]) for name in route.model.idempotent_members if request.get(name)), None)
    if token is None or route.service == "s3":
        return operation(platform, request)
    name = hashlib.sha256(f"{route.service}:{route.operation}:{token}".encode()).hexdigest()
    with _alone(name):
        return _once(platform, name, request, lambda: operation(platform, request))


def _once(
    platform: Platform, name: str, request: Mapping[str, Any], perform: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    path = platform.home / TOKENS / f"{name}.json"
    digest = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
    if path.exists():
        record = json.loads(path.read_bytes())
        if record["request"] != digest:
            raise ValidationError("The client request token was used before, with other parameters.")
        return dict(record["answer"])
    answer = perform()
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps({"request": digest, "answer": answer}).encode())
    return answer


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Let one request with a token run at a time."""
    with _LOCK:
        lock = _RUNNING.setdefault(name, threading.Lock())
    with lock:
        yield
    with _LOCK:
        _RUNNING.pop(name, None)


def _refused(exceptions: Exceptions, request: Mapping[str, Any]) -> Iterator[str]:
    for path, reason in exceptions.refused.items():
        if _has(request, path.split(".")):
            yield f"{path} is not supported here: {reason}."


def _has(value: Any, path: list[str]) -> bool:
    """Whether a value has something at a path; the items of lists are looked into."""
    if isinstance(value, list):
        return any(_has(item, path) for item in value)
    if not path:
        return value is not None
    return isinstance(value, Mapping) and path[0] in value and _has(value[path[0]], path[1:])
