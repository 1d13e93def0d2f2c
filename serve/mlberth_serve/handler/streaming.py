"""Responses whose items are sent as they are made, for a handler to return."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing, closing, nullcontext
from typing import Any

from mlberth_serve.handler.response import Response
from mlberth_serve.handler.stream_items import Items, write_event, write_line
from mlberth_serve.media_types import EVENT_STREAM, JSON_LINES


def server_sent_events(items: Iterable[Any] | AsyncIterable[Any]) -> Response:
    """Return a response of `text/event-stream`: each item is an event, sent as soon as it is made.

    An item is text, an Event, or a value that is written as JSON.
    """
    headers = {"Cache-Control": "no-store"}
    return Response(_each(items, write_event), content_type=EVENT_STREAM, headers=headers)


def json_lines(items: Iterable[Any] | AsyncIterable[Any]) -> Response:
    """Return a response of `application/jsonlines`: each item is a line, sent as soon as it is made."""
    return Response(_each(items, write_line), content_type=JSON_LINES)


def _each(items: Iterable[Any] | AsyncIterable[Any], write: Callable[[object], bytes]) -> Items:
    return _each_async(items, write) if hasattr(type(items), "__aiter__") else _each_plain(items, write)


# The generator within is closed with the one around it, at once, and not when it is collected.


def _each_plain(items: Any, write: Callable[[object], bytes]) -> Iterator[bytes]:
    with closing(items) if hasattr(items, "close") else nullcontext():
        for item in items:
            yield write(item)


async def _each_async(items: Any, write: Callable[[object], bytes]) -> AsyncIterator[bytes]:
    async with aclosing(items) if hasattr(items, "aclose") else nullcontext():
        async for item in items:
            yield write(item)
