"""An answer as it is sent, apart from the server that sends it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlberth_local.bodies import FileBody


@dataclass(frozen=True)
class HttpAnswer:
    """A status, headers and a body that is bytes or a part of a file."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FileBody = b""
