"""The ids of a request: its own, the client's, and its trace's (W3C trace context).

They are in the response, the log and the handler's context. If the request's `traceparent` is not valid
(https://www.w3.org/TR/trace-context/, section 3.2), a new trace begins; the standard has no response header.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

ENVIRON_REQUEST_ID = "mlberth.request_id"
"""Where the WSGI environment holds the request's id."""

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(environ: Mapping[str, Any]) -> str:
    """Return the client's X-Request-Id if it is a sane token, otherwise a random one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    if given and _SANE.fullmatch(given):
        return str(given)
    return os.urandom(16).hex()


def id_of_parsed(request: Any) -> bytes:
    """Return the id of a request that gunicorn's parser has read, b"" if the client has given it none."""
    name = next((value for name, value in request.headers if name == "X-REQUEST-ID"), "")
    return str(name).encode() if _SANE.fullmatch(name) else b""


# Version 00 ends with the flags; a later one may go on after a dash; ff is no version, and zeros are no ids.
TRACEPARENT = (
    "^(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$"
)
"""A valid one, whose group is the trace's id, for Python and for nginx's access log."""
_TRACEPARENT = re.compile(TRACEPARENT)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_ENVIRON = "mlberth.trace_id"


def trace_id(environ: Mapping[str, Any], request_id: str = "") -> str:
    """Return the id of a request's trace: 32 hexadecimal digits, the same on every call.

    A new trace has the request's id if that can be one, as nginx's always can.
    """
    known = environ.get(_ENVIRON)
    if known:
        return str(known)
    found = _TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))
    trace = found[1] if found else ""
    if not trace:
        trace = request_id if _TRACE_ID.fullmatch(request_id) else os.urandom(16).hex()
    if isinstance(environ, dict):
        environ[_ENVIRON] = trace
    return trace


current_request: ContextVar[Mapping[str, Any] | None] = ContextVar("current_request", default=None)
"""The WSGI environment of the request that this worker is working on, for the log; None between requests."""


def describe_request(model: str = "") -> Mapping[str, str]:
    """Return the model, if there are several, and the ids of the current request, none between requests."""
    environ = current_request.get()
    named = {"model": model} if model else {}
    return {**named, **request_ids(environ)} if environ is not None else named


def request_ids(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return what a request is found by: our id, the client's inference id, the trace."""
    name = environ.get(ENVIRON_REQUEST_ID, "")
    inference = environ.get("HTTP_X_AMZN_SAGEMAKER_INFERENCE_ID", "")
    return {"request_id": name, "inference_id": inference, "trace_id": trace_id(environ, name)}
