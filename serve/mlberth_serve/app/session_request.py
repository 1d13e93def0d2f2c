"""A request for a session in both directions: checked, and what is to be done if it is accepted.

Source: RFC 6455 section 4.2, and the platform's contract: one WebSocket at a fixed path.
"""

from __future__ import annotations

import base64
import binascii
import contextvars
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlberth_serve.app.http_response import HTTPResponse, make_error_response
from mlberth_serve.app.streamed_response import NO_OBSERVER, Observer
from mlberth_serve.errors import RequestError
from mlberth_serve.handler.context import Context
from mlberth_serve.handler.response_headers import Pairs
from mlberth_serve.inference.load_handler import Handler
from mlberth_serve.usercode.signatures import Function

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"


@dataclass
class SessionRequest:
    """A client that asks for a session, and the function that is to have it."""

    function: Function
    model: Any
    context: Context
    accept: str
    """What proves to the client that a WebSocket was understood."""
    max_bytes: int | None
    """Of one message."""
    observer: Observer = NO_OBSERVER
    concurrent: ClassVar = True
    variables: contextvars.Context = field(default_factory=contextvars.copy_context)


def open_session(
    environ: Mapping[str, Any], handler: Handler, context: Context, max_bytes: int | None
) -> SessionRequest | HTTPResponse:
    """Return the request of a client that may have a session, else the error that it gets."""
    name = context.request_id
    if environ["REQUEST_METHOD"] != "GET":
        error = RequestError(405, "method_not_allowed", "Open a WebSocket here, with GET.")
        return _with_headers(make_error_response(error, name), [("Allow", "GET")])
    if not handler.stream_fn:
        text = "The handler has no stream_fn, so there are no sessions in both directions."
        return make_error_response(RequestError(501, "not_implemented", text), name)
    if "websocket" not in _tokens(environ, "HTTP_UPGRADE") or "upgrade" not in _tokens(
        environ, "HTTP_CONNECTION"
    ):
        return _upgrade_required("Open a WebSocket here.", name)
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != _VERSION:
        return _upgrade_required(f"Sec-WebSocket-Version is not {_VERSION}.", name)
    key = str(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""))
    if not _is_key(key):
        error = RequestError(400, "bad_request", "Sec-WebSocket-Key is not 16 bytes in base64.")
        return make_error_response(error, name)
    accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    return SessionRequest(handler.stream_fn, handler.model, context, accept, max_bytes)


def _tokens(environ: Mapping[str, Any], name: str) -> set[str]:
    return {token.strip().lower() for token in str(environ.get(name, "")).split(",")}


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _upgrade_required(text: str, name: str) -> HTTPResponse:
    response = make_error_response(RequestError(426, "upgrade_required", text), name)
    return _with_headers(response, [("Upgrade", "websocket"), ("Sec-WebSocket-Version", _VERSION)])


def _with_headers(response: HTTPResponse, headers: Pairs) -> HTTPResponse:
    response.headers += headers
    return response
