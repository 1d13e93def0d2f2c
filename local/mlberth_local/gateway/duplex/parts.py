"""Parts of a stream: events of a client, and frames of a WebSocket. Each event is one frame, and stays one.

Source: InvokeEndpointWithBidirectionalStream of the platform's API.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError

from mlberth_local.gateway import event_stream

_SIGNATURE = ":chunk-signature"
_TYPES, _STATES = (None, "BINARY", "UTF8"), (None, "COMPLETE", "PARTIAL")


class PartError(Exception):
    """What a client has sent is no part of a stream; the text says why."""


class Part(NamedTuple):
    """One event, or one frame."""

    data: bytes
    is_text: bool
    is_last: bool
    """Whether the message ends with it."""


class PartDecoder:
    """Makes parts of the bytes that a client sends."""

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()

    def feed(self, chunk: bytes) -> list[Part]:
        """Return the parts that are whole now. Raises PartError."""
        self._buffer.add_data(chunk)
        try:
            return [part for message in self._buffer for part in _parts(message)]
        except ParserError as error:
            raise PartError(f"The request is no event stream: {error}") from error


def _parts(message: EventStreamMessage) -> list[Part]:
    headers = message.headers
    if _SIGNATURE in headers:  # a signed event, around the one that is meant; the last one is empty
        inner = EventStreamBuffer()
        inner.add_data(message.payload)
        found = [part for one in inner for part in _parts(one)]
        if message.payload and not found:
            raise PartError("A signed event has no whole event in it.")
        return found
    kind = headers.get(":event-type")
    if kind != "PayloadPart":
        raise PartError(f"Found an event {kind!r}; expected PayloadPart.")
    data_type = _one_of(headers, "DataType", _TYPES)
    state = _one_of(headers, "CompletionState", _STATES)
    return [Part(message.payload, data_type == "UTF8", state != "PARTIAL")]


def _one_of(headers: dict[str, Any], name: str, known: tuple[str | None, ...]) -> str | None:
    found: str | None = headers.get(name)
    if found not in known:
        raise PartError(f"{name}: found {found!r}; expected {known[1]} or {known[2]}.")
    return found


def encode(part: Part) -> bytes:
    """Return the event of a part."""
    return event_stream.message(
        {
            ":message-type": "event",
            ":event-type": "PayloadPart",
            ":content-type": "application/octet-stream",
            "DataType": "UTF8" if part.is_text else "BINARY",
            "CompletionState": "COMPLETE" if part.is_last else "PARTIAL",
        },
        part.data,
    )
