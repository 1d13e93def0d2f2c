"""Reading a request's body."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mlberth_serve.app.body import read_body
from mlberth_serve.errors import BadRequestError, PayloadTooLargeError


class Input(io.BytesIO):
    """A body that knows how much of it was read."""

    def taken(self) -> int:
        """Return the number of bytes read so far."""
        return self.tell()


class Broken(io.BytesIO):
    """A connection that closes."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Raise as a server does."""
        raise OSError(size)


def environ(body: bytes, **more: Any) -> dict[str, Any]:
    """Return the part of a WSGI environment that concerns the body."""
    return {"wsgi.input": Input(body), **more}


def test_body_is_read_by_its_length() -> None:
    """Content-Length bytes are read, and not more."""
    assert read_body(environ(b"abcdef", CONTENT_LENGTH="3"), 10) == b"abc"


def test_chunked_body_is_read_to_its_end() -> None:
    """Without a length the server's end of input ends the body."""
    assert read_body(environ(b"abc", **{"wsgi.input_terminated": True}), 3) == b"abc"
    assert read_body(environ(b"abc", **{"wsgi.input_terminated": True}), None) == b"abc"


def test_without_a_length_nothing_is_read() -> None:
    """A request without Content-Length that is not chunked has no body."""
    assert read_body(environ(b"abc"), 10) == b""
    assert read_body(environ(b"abc", CONTENT_LENGTH=""), 10) == b""


def test_length_over_the_limit_is_refused_unread() -> None:
    """413 comes before the first byte is read."""
    request = environ(b"abcd", CONTENT_LENGTH="4")
    with pytest.raises(PayloadTooLargeError):
        read_body(request, 3)
    assert request["wsgi.input"].taken() == 0


def test_chunked_body_over_the_limit_is_refused_at_the_limit() -> None:
    """No more than one byte beyond the limit is read of a body without a length."""
    request = environ(b"a" * 1000, **{"wsgi.input_terminated": True})
    with pytest.raises(PayloadTooLargeError):
        read_body(request, 100)
    assert request["wsgi.input"].taken() == 101


@pytest.mark.parametrize("length", ["-1", "+5", "5,5", "1e3", "5 5", "²"])
def test_length_that_is_no_number_is_refused(length: str) -> None:
    """A Content-Length of anything but digits is 400."""
    with pytest.raises(BadRequestError):
        read_body(environ(b"abcde", CONTENT_LENGTH=length), 10)


def test_body_that_breaks_off_is_refused() -> None:
    """A body shorter than its length, or a connection that closes, is 400."""
    with pytest.raises(BadRequestError):
        read_body(environ(b"abc", CONTENT_LENGTH="5"), 10)
    with pytest.raises(BadRequestError):
        read_body({"wsgi.input": Broken(), "CONTENT_LENGTH": "5"}, 10)


def test_length_that_nobody_can_read_is_too_large() -> None:
    """So is one of more digits than Python makes a number of."""
    with pytest.raises(PayloadTooLargeError):
        read_body(environ(b"abc", CONTENT_LENGTH="9" * 5000), None)
