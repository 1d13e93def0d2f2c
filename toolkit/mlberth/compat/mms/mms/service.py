"""The error of a custom service."""

from __future__ import annotations


class PredictionException(Exception):  # noqa: N818 - multi-model-server's name
    """An answer with a status and a message."""

    def __init__(self, message: str, error_code: int = 500) -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code

    def __str__(self) -> str:
        return f"{self.message} : {self.error_code}"
