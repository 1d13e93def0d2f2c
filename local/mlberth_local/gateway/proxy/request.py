"""An invocation as the client sent it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlberth_local.errors import ServiceError, validation_message
from mlberth_local.platform import ACCOUNT

CONTENT_TYPE = b"content-type"
ACCEPT = b"accept"
STREAM_ACCEPT = b"x-amzn-sagemaker-accept"
"""In place of `Accept`, which says how the client wants the stream itself."""
INVOKE = b"invocations"
STREAM = b"invocations-response-stream"
"""The operations InvokeEndpoint and InvokeEndpointWithResponseStream."""
INFERENCE_ID = b"x-amzn-sagemaker-inference-id"
CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
TARGET_CONTAINER = b"x-amzn-sagemaker-target-container-hostname"
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
_PLATFORM = b"x-amzn-sagemaker-"
_COMPONENT = b"x-amzn-sagemaker-inference-component"
_LONGEST = {
    CONTENT_TYPE: ("contentType", 1024),
    ACCEPT: ("accept", 1024),
    CUSTOM_ATTRIBUTES: ("customAttributes", 1024),
    TARGET_VARIANT: ("targetVariant", 63),
    TARGET_CONTAINER: ("targetContainerHostname", 63),
    TARGET_MODEL: ("targetModel", 1024),
    _PLATFORM + b"inference-id": ("inferenceId", 64),
    _PLATFORM + b"enable-explanations": ("enableExplanations", 64),
    _PLATFORM + b"session-id": ("sessionId", 256),
    _PLATFORM + b"prefix-aware-id": ("prefixAwareId", 64),
}
"""The members that are headers, and how long each may be. Source: the API's model of InvokeEndpoint."""


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


def check(headers: Mapping[bytes, bytes]) -> None:
    """Raise `ServiceError` for members that are too long, or that name what is not here."""
    if _COMPONENT in headers:
        name = headers[_COMPONENT].decode("latin-1")
        raise ServiceError("ValidationError", f"Inference Component {name} of account {ACCOUNT} not found.")
    found = [
        f"Value at '{_LONGEST[name][0]}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {_LONGEST[name][1]}"
        for name, value in headers.items()
        if name in _LONGEST and len(value) > _LONGEST[name][1]
    ]
    if found:
        raise ServiceError("ValidationError", validation_message(found))


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
