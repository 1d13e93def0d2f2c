"""The errors that operations raise; the API writes each in the form that clients of the service read.

A message is the service's own wording if there is one: the SDKs match on parts of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus


class ServiceError(Exception):
    """An error of the service: a code that clients catch, a message for people, the HTTP status.

    `headers` are those that go with the status.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = HTTPStatus.BAD_REQUEST,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = int(status)
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ValidationError(ServiceError):
    """The request is not what the operation takes, or what it names does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


def validation_message(faults: Sequence[str]) -> str:
    """Return the service's message for all that is wrong in a request."""
    errors = "validation error" if len(faults) == 1 else "validation errors"
    return f"{len(faults)} {errors} detected: {'; '.join(faults)}"


class ResourceInUseError(ServiceError):
    """The name is taken, or something else uses the resource."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceInUse", message)


class ResourceLimitExceededError(ServiceError):
    """There is less of something than the request asks for."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceLimitExceeded", message)


class UnknownOperationError(ServiceError):
    """The service, or this platform, has no such operation."""

    def __init__(self, message: str) -> None:
        super().__init__("UnknownOperationException", message, HTTPStatus.NOT_FOUND)
