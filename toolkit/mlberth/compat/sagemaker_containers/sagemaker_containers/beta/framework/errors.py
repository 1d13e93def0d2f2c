"""Errors that a handler raises."""

from __future__ import annotations


class ClientError(Exception):
    """The request's fault."""


class UnsupportedFormatError(Exception):
    """A media type that nothing here reads or writes."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Content type {content_type} is not supported: write an input_fn or an output_fn.")
