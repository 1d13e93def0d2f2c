"""An invocation as the client sent it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

CONTENT_TYPE = b"content-type"
ACCEPT = b"accept"
INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
TARGET_CONTAINER = b"x-amzn-sagemaker-target-container-hostname"
_PLATFORM = b"x-amzn-sagemaker-"


@dataclass(slots=True)
class Request:
    """A request to `/endpoints/ENDPOINT/OPERATION`, with its whole body."""

    endpoint: str
    operation: bytes
    headers: dict[bytes, bytes]
    """By name in lower case."""
    body: bytes
    request_id: str
    received: float
    """When its first byte came, by the monotonic clock."""

    def text(self, name: bytes) -> str | None:
        """Return a header's value; None if it is not there."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


def passed(headers: dict[bytes, bytes]) -> bytes:
    """Return the lines of the headers that containers get (`Accept` apart): all others are dropped.

    Source: InvokeEndpoint's request, as far as the container's contract has it.
    """
    found = []
    for name, value in headers.items():
        if name == CONTENT_TYPE or name.startswith(_PLATFORM):
            found.append(b"%b: %b\r\n" % (name, value))
    return b"".join(found)


class TextHeaders(Mapping[str, str]):
    """Headers as text, whose names may have any case."""

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower().encode()].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._headers)

    def __len__(self) -> int:
        return len(self._headers)
