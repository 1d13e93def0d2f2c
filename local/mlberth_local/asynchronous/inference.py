"""An asynchronous request: what was asked, and where its answer goes. Source: InvokeEndpointAsync."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlberth_local.inputs.objects import below

KIND = "async-inference"
"""Of the rows in the store; there is one for each request that waits or is being answered."""
DEFAULT_LIFE, DEFAULT_TIMEOUT = 21600, 900
"""Seconds: in the queue, and with a container. Source: the API."""


@dataclass(frozen=True)
class Inference:
    """One request. Times are seconds since the epoch."""

    key: str
    """Unlike that of any other request."""
    inference_id: str
    """The client's own, or the key."""
    endpoint: str
    input_location: str
    """Of an object; "" if the request came with its body."""
    content_type: str
    accept: str
    custom_attributes: str
    output_location: str
    failure_location: str
    received: float
    life: float
    """How long it may wait."""
    timeout: float
    """How long a container may take."""

    def as_row(self) -> dict[str, Any]:
        """Return it as the store keeps it."""
        return asdict(self)

    @property
    def expires(self) -> float:
        """When it has waited too long."""
        return self.received + self.life


def make(request: Mapping[str, Any], config: Mapping[str, Any], *, key: str, now: float) -> Inference:
    """Return the record of a request to an endpoint with an `AsyncInferenceConfig`."""
    inference_id = request.get("InferenceId") or key
    outputs = config.get("OutputConfig") or {}
    output, failure = outputs.get("S3OutputPath") or "", outputs.get("S3FailurePath") or ""
    extension = [request["S3OutputPathExtension"].strip("/")] if request.get("S3OutputPathExtension") else []
    name = request.get("Filename") or f"{key}.out"
    return Inference(
        key,
        inference_id,
        request["EndpointName"],
        request.get("InputLocation") or "",
        request.get("ContentType") or "",
        request.get("Accept") or "",
        request.get("CustomAttributes") or "",
        below(output, *extension, name) if output else "",
        below(failure, f"{key}-error.out") if failure else "",
        now,
        request.get("RequestTTLSeconds") or DEFAULT_LIFE,
        request.get("InvocationTimeoutSeconds") or DEFAULT_TIMEOUT,
    )
