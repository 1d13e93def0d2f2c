"""The name of one request, in the answer, the log and the handler's context."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

ENVIRON_REQUEST_ID = "mlberth.request_id"
"""Where the WSGI environment holds the request's id."""

_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id(environ: Mapping[str, Any]) -> str:
    """Return the client's X-Request-Id where it is a sane token, otherwise a random one."""
    given = environ.get("HTTP_X_REQUEST_ID")
    if given and _SANE.fullmatch(given):
        return str(given)
    return os.urandom(16).hex()
