"""The messages to subscribers of an endpoint's topics. Source: the platform's documentation."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from typing import Any

from mlberth_local.asynchronous.inference import Inference

LONGEST_BODY = 128 * 1024
"""Of a response that a notification holds, in bytes."""


def notification(
    inference: Inference,
    *,
    region: str,
    now: float,
    failure: str,
    response: tuple[bytes, str] | None,
) -> str:
    """Return the message; `response` is the answer's body and media type if the message is to have it."""
    found: dict[str, Any] = {
        "awsRegion": region,
        "eventTime": _iso(now),
        "receivedTime": _iso(inference.received),
        "invocationStatus": "Failed" if failure else "Completed",
        "requestParameters": {
            "accept": inference.accept,
            "contentType": inference.content_type,
            "endpointName": inference.endpoint,
            "inputLocation": inference.input_location,
        },
        "inferenceId": inference.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if failure:
        found["failureReason"] = failure
        found["responseParameters"] = {"failureLocation": inference.failure_location}
    else:
        found["responseParameters"] = {"outputLocation": inference.output_location}
    if response:
        body, media_type = response
        found["responseParameters"]["contentType"] = media_type
        if len(body) <= LONGEST_BODY:
            found["responseBody"] = _content(body)
    return json.dumps({name: found[name] for name in found if found[name] != ""})


def _content(body: bytes) -> dict[str, str]:
    try:
        return {"content": body.decode(), "encoding": "CSV"}
    except UnicodeDecodeError:
        return {"content": b64encode(body).decode(), "encoding": "BASE64"}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03}Z"
