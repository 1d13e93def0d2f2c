"""The mark of a request whose first worker died with it.

nginx sends such a request once more, and says so, so that a worker can take care: it may be what
killed the first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADER = "X-Mlberth-Retry"


def is_retry(environ: Mapping[str, Any]) -> bool:
    """Return whether a request is sent for the second time, and is to be run by itself."""
    return environ.get("HTTP_X_MLBERTH_RETRY") == "1"
