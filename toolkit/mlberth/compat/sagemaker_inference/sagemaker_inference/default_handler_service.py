"""A model server's custom service around a transformer, for a class of the user's to build on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_inference.transformer import Transformer


class DefaultHandlerService:
    """What the model server calls: `initialize` once, `handle` for each request."""

    def __init__(self, transformer: Transformer | None = None) -> None:
        self._service = transformer or Transformer()

    def initialize(self, context: Any = None) -> None:
        """Load the model."""
        self._service.validate_and_initialize(context=context)

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[Any]:
        """Return the answers."""
        return self._service.transform(data, context)
