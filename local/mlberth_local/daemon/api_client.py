"""Calls of the commands to the daemon's API."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from mlberth.errors import Fault, PlatformError
from mlberth_local.daemon.home import Running

_SECONDS = 60.0


def call(running: Running, operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """Call an operation of SageMaker. Raises `PlatformError` with the service's words."""
    headers = {"X-Amz-Target": f"SageMaker.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    return _post(running, "/", json.dumps(request).encode(), headers)


def collect_garbage(running: Running) -> list[str]:
    """Remove what nobody needs any more; returns the names of the runs."""
    return list(_post(running, "/_mlberth/gc", b"", {})["removed"])


def interrupt(running: Running, job: str) -> None:
    """Take the spot instance of a training job away. Raises `PlatformError` if it does not train."""
    _post(running, f"/_mlberth/interrupt/{job}", b"", {})


def _post(running: Running, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    request = Request(f"http://127.0.0.1:{running.port}{path}", body, headers, method="POST")
    try:
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - http
            return dict(json.loads(answer.read() or b"{}"))
    except HTTPError as error:
        found = json.loads(error.read() or b"{}")
        raise PlatformError(
            Fault(str(found.get("__type", error.code)), str(found.get("message", "")), "")
        ) from error
    except URLError as error:
        raise PlatformError(
            Fault(f"port {running.port}", f"the daemon does not answer: {error.reason}", "")
        ) from error
