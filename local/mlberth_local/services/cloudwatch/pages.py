"""Tokens of pages: where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from mlberth_local.errors import ServiceError


def token(after: tuple[Any, Any] | None) -> dict[str, str]:
    """Return the member NextToken of an answer; nothing if there is no next page."""
    if after is None:
        return {}
    return {"NextToken": base64.urlsafe_b64encode(json.dumps(after).encode()).decode()}


def position(text: str | None) -> Any:
    """Return what a token was made from; None for the first page. Raises `ServiceError`."""
    if not text:
        return None
    try:
        first, second = json.loads(base64.urlsafe_b64decode(text))
    except (binascii.Error, ValueError, TypeError):
        message = "The next token specified is invalid: it is not one of an earlier answer."
        raise ServiceError("InvalidNextToken", message) from None
    return first, second
