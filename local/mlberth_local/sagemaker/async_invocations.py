"""InvokeEndpointAsync: a request whose answer is an object."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from mlberth_local.asynchronous.inference import make
from mlberth_local.endpoints.record import KIND, state_of
from mlberth_local.errors import ValidationError
from mlberth_local.operations import Exceptions, Operation
from mlberth_local.platform import ACCOUNT, Platform
from mlberth_local.store.resources import NoSuchResourceError


def invoke_endpoint_async(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Put a request into the endpoint's queue; returns where the answer will be."""
    name = request["EndpointName"]
    try:
        endpoint = platform.jobs.context.resources.get(KIND, name)
    except NoSuchResourceError:
        raise ValidationError(f"Endpoint {name} of account {ACCOUNT} not found.") from None
    state = state_of(endpoint)
    shown = state.serving or state.pending
    config = shown.config.get("AsyncInferenceConfig") if shown else None
    if config is None:
        raise ValidationError(f"Endpoint {name} takes no asynchronous requests: call InvokeEndpoint.")
    if shown is not state.serving or endpoint.status == "Deleting":
        raise ValidationError(f"Endpoint {name} is {endpoint.status}.")
    body, location = request.get("Body"), request.get("InputLocation")
    if bool(body) == bool(location):
        raise ValidationError("Expected one of InputLocation and Body.")
    inference = make(request, config, key=str(uuid4()), now=platform.clock())
    platform.asynchronous.add(inference, bytes(body) if body else None)
    answer = {
        "InferenceId": inference.inference_id,
        "OutputLocation": inference.output_location,
        "FailureLocation": inference.failure_location,
    }
    return {member: value for member, value in answer.items() if value}


OPERATIONS: dict[str, Operation] = {"InvokeEndpointAsync": invoke_endpoint_async}
EXCEPTIONS: dict[str, Exceptions] = {}
