"""Errors that a handler raises; the server answers with their status."""

from __future__ import annotations


class ClientError(Exception):
    """The request's fault."""


class UnsupportedFormatError(Exception):
    """A media type that nothing here reads or writes."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Content type {content_type} is not supported: write an input_fn or an output_fn.")


class BaseInferenceToolkitError(Exception):
    """A response with a status, a message and a reason phrase."""

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        super().__init__(status_code, message, phrase)
        self.status_code = status_code
        self.message = message
        self.phrase = phrase


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same, where a status is enough."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)
