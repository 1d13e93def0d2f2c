"""What a generator yields, as bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from mlberth_serve import Event, Response, json_lines, server_sent_events
from mlberth_serve.handler.stream_items import is_stream, type_of_items, write_event, write_item
from mlberth_serve.inference.streaming import Stream


@pytest.mark.parametrize(
    ("item", "written"),
    [
        ("a", b"data: a\n\n"),
        ("", b"data: \n\n"),
        ("a\r\nb\rc\nd\u2028e", "data: a\ndata: b\ndata: c\ndata: d\u2028e\n\n".encode()),
        (np.float32(1.5), b"data: 1.5\n\n"),
        (np.array([1, 2]), b"data: [1,2]\n\n"),
        (Event(event="end"), b"event: end\ndata: \n\n"),
        (Event({"a": "b\n"}, id="x", retry=0), b'id: x\nretry: 0\ndata: {"a":"b\\n"}\n\n'),
        ("half \ud83d", "data: half \ufffd\n\n".encode()),
    ],
)
def test_events(item: object, written: bytes) -> None:
    """Each line of text is a field of its own, so that no text can end an event or begin another."""
    assert write_event(item) == written


@pytest.mark.parametrize("event", [Event("a", event="x\ndata: y"), Event("a", id="x\r"), Event("a", id="\0")])
def test_fields_of_one_line(event: Event) -> None:
    """A type or an id with a line end would be several fields."""
    with pytest.raises(ValueError, match="line end"):
        write_event(event)


@pytest.mark.parametrize("item", [b"a", bytearray(b"a"), memoryview(b"a"), "a"])
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/jsonlines", "image/png"])
def test_bytes_and_text_are_the_body(item: object, content_type: str) -> None:
    """Whatever the type is: they may be framed already."""
    assert write_item(item, content_type) == b"a"


def test_types_of_lines() -> None:
    """Values of JSON are lines; everything else keeps its type, with parameters and in any case."""
    assert type_of_items({}, "application/json") == "application/jsonlines"
    assert type_of_items("{}", "application/json") == "application/json"
    assert write_item([1], "Application/X-NDJSON; charset=utf-8") == b"[1]\n"
    with pytest.raises(TypeError, match="yielded a list of text/csv; expected bytes or str"):
        write_item([1], "text/csv")
    with pytest.raises(TypeError, match="yielded None"):
        write_item(None, "application/jsonlines")


def test_what_is_a_stream() -> None:
    """An iterator is, a list, an array or a text is not."""
    streams: list[Any] = [iter("ab"), map(str, "ab"), (letter for letter in "ab")]
    others: list[Any] = [[], {}, "a", b"a", np.zeros(2), range(3), Response()]
    assert [is_stream(one) for one in streams + others] == [True] * len(streams) + [False] * len(others)


@pytest.mark.parametrize("make", [server_sent_events, json_lines])
def test_helpers_close_what_they_read(make: Any) -> None:
    """The generator within ends with the one around it, plain or async."""
    closed = []

    def plain() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append("plain")

    async def later() -> AsyncIterator[int]:
        try:
            for number in range(9):
                yield number
        finally:
            closed.append("async")

    for items in (plain(), later()):
        response = make(items)
        stream = Stream(response.body, response.content_type, "predict_fn", concurrent=False)
        assert stream.read()
        stream.close()
    assert closed == ["plain", "async"]
