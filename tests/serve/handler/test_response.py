"""What output_fn returns, as a body."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth.compat.arrays import array_to_csv
from mlberth_serve import Context, Response
from mlberth_serve.codecs import CODECS
from mlberth_serve.handler.response import to_body
from mlberth_serve.media_types import CSV, JSON
from mlberth_serve.profiles.peer_formats import write_sit_csv, write_smc_csv

HALF = "ab\ud83d"
BODIES: dict[str, tuple[Any, bytes, str]] = {
    "half a pair in JSON": (f'"{HALF}"', b'"ab\\ud83d"', "application/json"),
    "half a pair in text": ((HALF, "text/plain"), "ab\ufffd".encode(), "text/plain"),
    "half a pair in JSON of a name of its own": (
        (HALF, "application/vnd.x+json"),
        b"ab\\ud83d",
        "application/vnd.x+json",
    ),
    "two halves of one": (("\ud83d\ude00", "text/plain"), "😀".encode(), "text/plain"),
    "type with parameters": (
        ({"a": 1}, "application/json; charset=utf-8"),
        b'{"a":1}',
        "application/json; charset=utf-8",
    ),
    "type in capitals": (Response([1, 2], content_type="Text/CSV"), b"1\n2\n", "Text/CSV"),
}


@pytest.mark.parametrize(("result", "body", "content_type"), BODIES.values(), ids=BODIES)
def test_bodies(result: Any, body: bytes, content_type: str) -> None:
    """Any text can be sent, and a type's parameters and case change nothing of its codec."""
    assert to_body(result, Context(accept=JSON)) == (body, content_type)


class Thing:
    """An object that CSV cannot hold."""


@pytest.mark.parametrize("write", [write_smc_csv, write_sit_csv, array_to_csv, CODECS[CSV].encode])
@pytest.mark.parametrize("cell", [Thing(), {"a": 1}], ids=["object", "map"])
def test_no_csv_holds_an_object(write: Any, cell: Any) -> None:
    """In none of our ways to write CSV does the text that Python prints of an object become a cell."""
    with pytest.raises(TypeError, match=type(cell).__name__):
        write([cell, 1])
