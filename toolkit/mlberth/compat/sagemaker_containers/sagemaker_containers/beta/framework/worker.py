"""The response of a handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_containers.beta.framework import content_types


class Response:
    """Status, headers and body, under Flask's names."""

    def __init__(  # noqa: PLR0917 - sagemaker-containers' signature
        self,
        response: Any = None,
        accept: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        mimetype: str | None = None,
        direct_passthrough: bool = False,  # noqa: ARG002 - the same
    ) -> None:
        self.status_code = int(status)
        self.data = b"" if response is None else response
        self.headers = {"Content-Type": mimetype or accept or content_types.JSON, **(headers or {})}

    def get_data(self) -> Any:
        """Return the body."""
        return self.data
