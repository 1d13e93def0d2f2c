"""One captured request, in the form of SageMaker's data capture (event version 0)."""

from __future__ import annotations

import uuid
from base64 import b64encode
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any, NamedTuple


class Exchange(NamedTuple):
    """A request and its answer."""

    body: bytes
    content_type: str
    answer: bytes
    answer_type: str
    inference_id: str
    custom_attributes: str
    time: float
    """When it was answered, in seconds since the epoch."""


class Form(NamedTuple):
    """What a line holds, and which bodies are text in it; all others are Base64."""

    has_input: bool
    has_output: bool
    csv_types: Collection[str]
    json_types: Collection[str]


def to_event(exchange: Exchange, form: Form) -> dict[str, Any]:
    """Return what a line of JSON holds of it."""
    data: dict[str, Any] = {}
    if form.has_input:
        data["endpointInput"] = _side("INPUT", exchange.body, exchange.content_type, form)
    if form.has_output:
        data["endpointOutput"] = _side("OUTPUT", exchange.answer, exchange.answer_type, form)
    metadata: dict[str, Any] = {"eventId": str(uuid.uuid4())}
    if exchange.inference_id:
        metadata["inferenceId"] = exchange.inference_id
    if exchange.custom_attributes:
        metadata["customAttributes"] = [exchange.custom_attributes]
    when = datetime.fromtimestamp(exchange.time, timezone.utc)
    metadata["inferenceTime"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}


def _side(mode: str, body: bytes, content_type: str, form: Form) -> dict[str, str]:
    kind = content_type.partition(";")[0].strip().lower()
    encoding = "CSV" if kind in form.csv_types else "JSON" if kind in form.json_types else ""
    try:
        text = body.decode() if encoding else ""
    except UnicodeDecodeError:  # no line of JSON holds it as text
        encoding = ""
    return {
        "observedContentType": content_type,
        "mode": mode,
        "data": text if encoding else b64encode(body).decode(),
        "encoding": encoding or "BASE64",
    }
