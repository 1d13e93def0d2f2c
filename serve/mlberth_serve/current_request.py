"""The request that this worker is working on: what lines of the log say of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from mlberth_serve.request_id import ENVIRON_REQUEST_ID
from mlberth_serve.trace import trace_id

current_request: ContextVar[Mapping[str, Any] | None] = ContextVar("current_request", default=None)
"""Its WSGI environment; None between requests."""


def describe_request() -> Mapping[str, str]:
    """Return the ids of the current request, nothing between requests."""
    environ = current_request.get()
    return request_ids(environ) if environ is not None else {}


def request_ids(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request is found by: our id, the client's inference id, the trace."""
    name = environ.get(ENVIRON_REQUEST_ID, "")
    inference = environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")
    return {"request_id": name, "inference_id": inference, "trace_id": trace_id(environ, name)}
