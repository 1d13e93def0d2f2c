"""W3C trace context: which trace a request belongs to.

The request's own `traceparent` counts where it is valid (https://www.w3.org/TR/trace-context/, §3.2);
what is not is ignored, as the standard has it, and a new trace begins. Nothing is added to the answer:
the standard knows no header for that. The headers reach the handler as they were sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

# Version 00 ends with the flags; a later one may go on after a dash; ff is no version, and zeros are no ids.
_TRACEPARENT = re.compile(
    r"^(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})"
    r"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?\Z"
)
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_ENVIRON = "mlberth.trace_id"


def trace_id(environ: Mapping[str, Any], request_id: str = "") -> str:
    """Return the id of a request's trace: 32 hexadecimal digits, the same on every call.

    A new trace has the request's id where that can be one, as nginx's always can.
    """
    known = environ.get(_ENVIRON)
    if known:
        return str(known)
    found = _TRACEPARENT.match(environ.get("HTTP_TRACEPARENT", ""))
    if found:
        trace = found["trace"]
    else:
        trace = request_id if _TRACE_ID.fullmatch(request_id) else os.urandom(16).hex()
    if isinstance(environ, dict):
        environ[_ENVIRON] = trace
    return trace
