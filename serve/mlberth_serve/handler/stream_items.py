"""Items that a generator yields, as they are written: themselves, server-sent events, or lines of JSON.

Source of the events' format: the HTML standard, section 9.2, *Server-sent events*.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from mlberth_serve.codecs import CODECS, jsonlines
from mlberth_serve.codecs.base import encode_text
from mlberth_serve.media_types import EVENT_STREAM, JSON, JSON_LINES

_LINE_END = re.compile(r"\r\n|\r|\n")

Items = Iterator[Any] | AsyncIterator[Any]


@dataclass(frozen=True)
class Event:
    """A server-sent event with more than data."""

    data: Any = ""
    """Text as it is; anything else as JSON."""
    event: str = ""
    """Its type; "" is a `message`."""
    id: str = ""
    """What a client that connects again sends as `Last-Event-ID`."""
    retry: int | None = None
    """After how many milliseconds a client is to connect again."""


def write_event(item: object) -> bytes:
    """Return an item as a server-sent event; raises TypeError or ValueError for what cannot be one."""
    event = item if isinstance(item, Event) else Event(item)
    fields = []
    for name, value in (("event", event.event), ("id", event.id)):
        if _LINE_END.search(value) or "\0" in value:
            raise ValueError(f"the {name} of a server-sent event has a line end or a NUL")
        if value:
            fields.append(f"{name}: {value}\n")
    if event.retry is not None:
        fields.append(f"retry: {int(event.retry)}\n")
    text = event.data if isinstance(event.data, str) else _to_json(event.data).decode()
    fields += [f"data: {line}\n" for line in _LINE_END.split(text)]
    return encode_text("".join(fields) + "\n")


def write_line(item: object) -> bytes:
    """Return an item as a line of JSON; raises TypeError or ValueError for what cannot be one."""
    return _to_json(item) + b"\n"


def write_item(item: object, content_type: str) -> bytes:
    """Return what a generator has yielded as a piece of the body: bytes and text as they are.

    Raises TypeError for a value that the media type has no form for.
    """
    if isinstance(item, bytes | bytearray | memoryview):
        return bytes(item)
    if isinstance(item, str):
        return encode_text(item)
    name = content_type.partition(";")[0].strip().lower()
    if name == EVENT_STREAM:
        return write_event(item)
    if CODECS.get(name) is jsonlines:
        return write_line(item)
    expected = f"bytes or str; values can be yielded as {JSON_LINES} or {EVENT_STREAM}"
    raise TypeError(f"yielded a {type(item).__name__} of {content_type}; expected {expected}")


def type_of_items(first: object, content_type: str) -> str:
    """Return a stream's media type by its first item: values of JSON are lines of it."""
    if content_type == JSON and not isinstance(first, str | bytes | bytearray | memoryview):
        return JSON_LINES
    return content_type


def is_stream(result: object) -> TypeGuard[Items]:
    """Return whether a result is made while it is sent: an iterator, a generator's say, or an async one."""
    kind = type(result)
    return hasattr(kind, "__next__") or hasattr(kind, "__anext__")


def _to_json(item: object) -> bytes:
    if item is None:
        raise TypeError("yielded None; expected bytes, str, or a value of JSON")
    return CODECS[JSON].encode(item)
