"""An answer as it is sent, apart from the server that sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from mlberth_local.bodies import FileBody


@dataclass(frozen=True)
class StreamBody:
    """A body that is still coming from elsewhere."""

    pieces: AsyncIterator[bytes]
    close: Callable[[], object]
    """Called at the end, whether all of it was sent or not."""


@dataclass(frozen=True)
class HttpAnswer:
    """A status, headers and a body that is bytes, a part of a file or a stream."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FileBody | StreamBody = b""
