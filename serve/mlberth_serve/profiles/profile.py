"""What a profile is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlberth_serve.binding import Function
from mlberth_serve.context import Context
from mlberth_serve.media_types import MediaType
from mlberth_serve.settings import Settings


class Answering(Protocol):
    """What turns a request into an answer: a Transformer, or a profile in its place."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The media types of bodies that can be read."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The media types that answers can have, the default first."""

    def place(self, device: str) -> None:
        """Move the model to a worker's device, "cpu" or "cuda:N"."""

    def choose_accept(self, header: str | None) -> str:
        """Return what becomes the context's `accept`; raises NotAcceptableError."""

    def transform(self, body: bytes, media_type: MediaType, context: Context) -> tuple[bytes, str]:
        """Return the answer's body and media type; raises RequestError."""


@dataclass(frozen=True)
class Profile:
    """The functions that stand in for those a handler lacks; None leaves the framework's or a codec's."""

    input_fn: Function | None = None
    predict_fn: Function | None = None
    output_fn: Function | None = None
    without_code: Callable[[Settings], Answering] | None = None
    """What answers where there is no handler at all, in the place of handler and model."""
