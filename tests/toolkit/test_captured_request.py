"""One captured request."""

from __future__ import annotations

import base64
import json

import pytest

from mlberth.captured_request import Exchange, Form, to_event

FORM = Form(
    has_input=True,
    has_output=True,
    csv_types=frozenset({"text/csv"}),
    json_types=frozenset({"application/json"}),
)


def exchange(body: bytes = b"1,2", content_type: str = "text/csv") -> Exchange:
    """Return an exchange whose answer is JSON, at one second past the epoch."""
    return Exchange(body, content_type, b"[8.0]", "application/json", "", "", 1.0)


def test_line_is_the_platforms() -> None:
    """Field for field, with ids only if the request has them; one line whatever the body holds."""
    found = exchange(b"1,2\n3,4")._replace(inference_id="order-17", custom_attributes="trace=1")
    line = json.dumps(to_event(found, FORM))
    assert "\n" not in line
    read = json.loads(line)
    assert len(read["eventMetadata"].pop("eventId")) == 36
    assert read == {
        "captureData": {
            "endpointInput": {
                "observedContentType": "text/csv",
                "mode": "INPUT",
                "data": "1,2\n3,4",
                "encoding": "CSV",
            },
            "endpointOutput": {
                "observedContentType": "application/json",
                "mode": "OUTPUT",
                "data": "[8.0]",
                "encoding": "JSON",
            },
        },
        "eventMetadata": {
            "inferenceId": "order-17",
            "customAttributes": ["trace=1"],
            "inferenceTime": "1970-01-01T00:00:01Z",
        },
        "eventVersion": "0",
    }
    assert set(to_event(exchange(), FORM)["eventMetadata"]) == {"eventId", "inferenceTime"}


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        (b"1,2", "text/csv; charset=utf-8", "CSV"),
        (b"1,2", "Text/CSV", "CSV"),
        (b"[1]", "application/json", "JSON"),
        (b"\xff\xfe", "text/csv", "BASE64"),
        (b"\x93NUMPY", "application/x-npy", "BASE64"),
        (b"", "", "BASE64"),
    ],
)
def test_text_is_text_and_all_else_is_base64(body: bytes, content_type: str, encoding: str) -> None:
    """Every body comes back to the byte."""
    side = to_event(exchange(body, content_type), FORM)["captureData"]["endpointInput"]
    assert side["encoding"] == encoding
    data = side["data"]
    assert (base64.b64decode(data) if encoding == "BASE64" else data.encode()) == body


def test_sides_can_be_left_out() -> None:
    """The options say which bodies are there."""
    only_input = to_event(exchange(), FORM._replace(has_output=False))
    assert set(only_input["captureData"]) == {"endpointInput"}
    only_output = to_event(exchange(), FORM._replace(has_input=False))
    assert set(only_output["captureData"]) == {"endpointOutput"}
