"""Compressed request bodies."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from mlberth_serve.app.body import read_body
from mlberth_serve.app.content_encoding import MAX_MEMBERS, decode_content
from mlberth_serve.errors import BadRequestError, PayloadTooLargeError, UnsupportedTypeError

MB = 1024 * 1024
ROW = b"1,2,3\n"


@pytest.mark.parametrize("header", ["gzip", "x-gzip", " GZIP ", "identity, gzip", "gzip,"])
def test_gzip_is_undone(header: str) -> None:
    """A gzip body is read as what was compressed."""
    assert decode_content(gzip.compress(ROW), header, len(ROW)) == ROW


@pytest.mark.parametrize("header", ["identity", "", "Identity, identity"])
def test_identity_is_the_body_itself(header: str) -> None:
    """A body under `identity` is left as it is."""
    assert decode_content(ROW, header, 1) == ROW


@pytest.mark.parametrize("header", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "nonsense"])
def test_other_codings_are_refused(header: str) -> None:
    """Any other coding is 415."""
    with pytest.raises(UnsupportedTypeError):
        decode_content(gzip.compress(ROW), header, None)


def test_gzip_files_one_after_the_other_are_one_body() -> None:
    """What `cat a.gz b.gz` makes is read whole, across every chunk border."""
    long = bytes(200_000)
    assert decode_content(gzip.compress(long, 0) + gzip.compress(ROW), "gzip", None) == long + ROW


@pytest.mark.parametrize(
    "body",
    [ROW, gzip.compress(ROW)[:-1], gzip.compress(ROW)[:-8] + bytes(8), gzip.compress(ROW) + b"x"],
    ids=["not gzip", "truncated", "wrong checksum", "something behind it"],
)
def test_bad_gzip_is_refused(body: bytes) -> None:
    """A body that is not whole and sound gzip is 400."""
    with pytest.raises(BadRequestError):
        decode_content(body, "gzip", MB)


def test_many_tiny_files_are_refused() -> None:
    """Files without content, of which a body could hold a million, are bounded by number."""
    empty = gzip.compress(b"")
    assert decode_content(empty * MAX_MEMBERS, "gzip", 0) == b""
    with pytest.raises(BadRequestError, match="more than"):
        decode_content(empty * (MAX_MEMBERS + 1), "gzip", 0)


def test_bomb_is_refused_at_the_limit() -> None:
    """What unpacks to a hundred times the limit is 413, and never takes more memory than the limit."""
    bomb = gzip.compress(bytes(400 * MB))
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLargeError):
            decode_content(bomb, "gzip", 4 * MB)
        assert tracemalloc.get_traced_memory()[1] < 12 * MB
    finally:
        tracemalloc.stop()


def test_limit_holds_to_the_byte() -> None:
    """A body of exactly the limit passes; one byte more does not."""
    assert decode_content(gzip.compress(bytes(1000)), "gzip", 1000) == bytes(1000)
    with pytest.raises(PayloadTooLargeError):
        decode_content(gzip.compress(bytes(1001)), "gzip", 1000)


def test_body_is_read_and_undone() -> None:
    """Content-Length counts the bytes on the wire, the limit those that come of them too."""
    body = gzip.compress(bytes(1000))
    environ = {
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": "gzip",
        "wsgi.input": io.BytesIO(body),
    }
    assert read_body(environ, 1000) == bytes(1000)
