"""The protocol of a predictor, which turns a request into a response."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import MediaType


class Request(NamedTuple):
    """What `transform` takes."""

    body: bytes | memoryview
    media_type: MediaType
    context: Context


class StreamedBody(Protocol):
    """A body that is made while it is sent: `inference.streaming.Stream`."""

    content_type: str
    """Settled when the first piece has been read."""
    is_async: bool
    """Whether it is an event loop that should read it."""
    concurrent: bool
    """Whether its worker may answer other requests meanwhile."""

    def read(self) -> bytes | None:
        """Return the next piece, None at the end; raises RequestError."""

    async def read_async(self) -> bytes | None:
        """Return the next piece, in the event loop."""

    def close(self) -> None:
        """End it where it stands; raises nothing."""

    async def close_async(self) -> None:
        """End it where it stands, in the event loop."""

    def read_all(self) -> bytes:
        """Return the whole body; raises RequestError."""


Transform = Callable[[bytes | memoryview, MediaType, Context], tuple[bytes | StreamedBody, str]]
"""What answers one request."""


class Predictor(Protocol):
    """What turns a request into an answer: a Transformer, or a profile in its place."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""

    @property
    def max_batch_size(self) -> int:
        """How many requests `transform_batch` takes; with 1 it is never called, and need not be there."""

    def move_to(self, device: str) -> None:
        """Move the model to a worker's device, "cpu" or "cuda:N"."""

    def choose_accept(self, header: str | None) -> str:
        """Return what becomes the context's `accept`; raises NotAcceptableError."""

    def transform(
        self, body: bytes | memoryview, media_type: MediaType, context: Context
    ) -> tuple[bytes | StreamedBody, str]:
        """Return the answer's body and media type; raises RequestError."""
