"""A session of messages in both directions, as a `stream_fn(session[, context])` has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, NamedTuple


class Frame(NamedTuple):
    """One frame of a WebSocket, as its client has sent it."""

    data: str | bytes
    """Text or bytes, as the frame says; not the characters that end in the next frame."""
    is_last: bool
    """Whether the message ends with it."""


class SessionClosedError(ConnectionError):
    """Nothing can be sent any more: the client has closed, or is gone."""


class Session(ABC):
    """One WebSocket. `async for message in session` ends when the client closes, or the server stops."""

    model: Any
    """What `model_fn` has returned."""
    close_code: int | None = None
    """The client's, once it has closed; 1006 if it is gone without a word."""

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the client's messages, whole: str for text, bytes for binary."""
        parts: list[Any] = []
        async for frame in self.frames():
            parts.append(frame.data)
            if frame.is_last:
                yield parts[0] if len(parts) == 1 else type(parts[0])().join(parts)
                parts = []

    @abstractmethod
    def frames(self) -> AsyncIterator[Frame]:
        """Yield the client's frames one by one, in place of whole messages."""

    @abstractmethod
    async def send(self, data: str | bytes, *, is_last: bool = True) -> None:
        """Send one frame, str as text; waits while the client takes nothing.

        With `is_last=False` the message goes on with the next. Raises SessionClosedError, and TypeError for
        anything but str and bytes.
        """

    @abstractmethod
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the session: the reason has at most 123 bytes. What `stream_fn` does at its end by itself."""
