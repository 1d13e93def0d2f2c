"""The messages of event streams, read by botocore."""

from __future__ import annotations

import json

import pytest
from botocore.eventstream import EventStreamBuffer

from mlberth_local.gateway.event_stream import model_stream_error, payload_part


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_a_part(data: bytes) -> None:
    """It comes back to the byte; both checksums are right, or botocore would refuse it."""
    buffer = EventStreamBuffer()
    buffer.add_data(payload_part(data) + payload_part(b"next"))
    first, second = list(buffer)
    assert (first.payload, second.payload) == (data, b"next")
    assert first.headers[":event-type"] == "PayloadPart"
    assert first.headers[":message-type"] == "event"


def test_an_error() -> None:
    """It has the members of ModelStreamError."""
    buffer = EventStreamBuffer()
    buffer.add_data(model_stream_error("StreamBroken", "é"))
    [found] = list(buffer)
    assert found.headers[":exception-type"] == "ModelStreamError"
    assert json.loads(found.payload) == {"ErrorCode": "StreamBroken", "Message": "é"}
