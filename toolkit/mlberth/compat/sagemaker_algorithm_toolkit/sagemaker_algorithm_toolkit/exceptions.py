"""Errors by whose fault they are."""

from __future__ import annotations


class BaseToolkitError(Exception):
    """An error that ends a job."""

    def __init__(self, message: str | None = None, caused_by: BaseException | None = None) -> None:
        self.message = message or (str(caused_by) if caused_by else "unknown error occurred")
        if caused_by:
            self.message += f" (caused by {type(caused_by).__name__})"
        self.caused_by = caused_by
        super().__init__(self.message)


class AlgorithmError(BaseToolkitError):
    """The algorithm's fault."""


class UserError(BaseToolkitError):
    """The fault of a configuration, or of what the user has given."""


class PlatformError(BaseToolkitError):
    """The platform's fault."""
