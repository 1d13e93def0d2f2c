"""The errors of the multi-model API, in the words and the form of multi-model-server."""

from __future__ import annotations

_KINDS = {
    400: "BadRequestException",
    404: "ModelNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictStatusException",
    413: "RequestEntityTooLargeException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
    507: "InsufficientStorageException",
}
"""What `type` says for each status."""


class ModelsError(Exception):
    """End a request to /models with a status and a message, which holds no path and no secret."""

    def __init__(self, status: int, message: str, *, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = {"Allow": allow} if allow else {"Retry-After": "1"} if status == 503 else {}

    @property
    def body(self) -> dict[str, object]:
        """`{"code", "type", "message"}`. Source: ErrorResponse.java of multi-model-server."""
        return {"code": self.status, "type": _KINDS[self.status], "message": self.message}


def not_found(name: str) -> ModelsError:
    """Return the error for a model that is not loaded."""
    return ModelsError(404, f"Model not found: {name}")
