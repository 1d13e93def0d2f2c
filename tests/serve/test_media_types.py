"""Media types and the choice of an answer's."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth_serve.errors import BadRequestError, NotAcceptableError, UnsupportedTypeError
from mlberth_serve.media_types import concrete, negotiate, parse_content_type

OFFERED = ("application/json", "text/csv", "application/x-npy")


@pytest.mark.parametrize(
    ("header", "name", "parameters"),
    [
        (None, "application/json", {}),
        ("", "application/json", {}),
        ("text/csv", "text/csv", {}),
        ("Text/CSV", "text/csv", {}),
        ("text/csv; charset=utf-8", "text/csv", {"charset": "utf-8"}),
        ("text/csv;charset=UTF-8 ; Header=present", "text/csv", {"charset": "UTF-8", "header": "present"}),
        ('text/csv; a="b;c, \\"d\\""', "text/csv", {"a": 'b;c, "d"'}),
        ("text/csv;", "text/csv", {}),
    ],
)
def test_content_type_is_read(header: str | None, name: str, parameters: dict[str, str]) -> None:
    """A type has a name in lower case and its parameters; none at all is JSON."""
    media_type = parse_content_type(header)
    assert (media_type.name, dict(media_type.parameters)) == (name, parameters)


@pytest.mark.parametrize(
    "header",
    ["cvs", "text/", "/csv", "text/csv charset=x", "text/csv; a", "a/b, c/d", "text/csv; " + "a" * 10_000],
)
def test_malformed_content_type_is_refused(header: str) -> None:
    """What is not one media type is a bad request."""
    with pytest.raises(BadRequestError):
        parse_content_type(header)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("utf-8", "utf-8"), ("UTF8", "utf-8"), ("us-ascii", "ascii"), ("ISO-8859-1", "latin-1")],
)
def test_charset_is_known_by_its_names(charset: str, codec: str) -> None:
    """The names of three character sets are known in any case."""
    assert parse_content_type(f"text/csv; charset={charset}").codec == codec


def test_unknown_charset_is_unsupported() -> None:
    """A character set that is not known is 415."""
    with pytest.raises(UnsupportedTypeError):
        _ = parse_content_type("text/csv; charset=nope").codec


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("*/*, text/csv", "text/csv"),
        ("text/csv;q=0.1, */*;q=0.2", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/*;q=0, */*", "text/csv"),
        ("image/png, application/x-npy;q=0.001", "application/x-npy"),
        ("text/html, image/gif, *; q=.2, */*; q=.2", "application/json"),
        ("application/xml,, text/csv", "text/csv"),
    ],
)
def test_accept_is_negotiated(header: str | None, chosen: str) -> None:
    """The highest q wins, then the more exact range, then the place in the header, then our order."""
    assert negotiate(header, OFFERED) == chosen


@pytest.mark.parametrize("header", ["image/png", "image/*", "text/csv;q=0", "*/*;q=0"])
def test_accept_without_a_match_is_not_acceptable(header: str) -> None:
    """An Accept that allows nothing that we write is 406."""
    with pytest.raises(NotAcceptableError):
        negotiate(header, OFFERED)


@pytest.mark.parametrize(
    "header", ["cvs", "text/csv;q=2", "text/csv;q=-1", "text/csv;q=x", "text/csv;q=nan", "a/b" * 500]
)
def test_malformed_accept_is_refused(header: str) -> None:
    """An Accept that cannot be read is a bad request."""
    with pytest.raises(BadRequestError):
        negotiate(header, OFFERED)


def test_concrete_types_leave_out_ranges() -> None:
    """A handler that writes its own answers is offered the types that the client names."""
    assert concrete("image/png;q=0.5, text/*, */*, text/html") == ("image/png", "text/html")


@given(st.text(max_size=80))
def test_any_header_ends_in_an_answer(header: str) -> None:
    """Whatever stands in a header gives a type, 400 or 406."""
    for function in (parse_content_type, lambda text: negotiate(text, OFFERED)):
        with suppress(BadRequestError, NotAcceptableError):
            function(header)


@pytest.mark.parametrize(
    ("word", "media_type"),
    [
        ("csv", "text/csv"),
        ("CSV; label_size=1", "text/csv"),
        ("libsvm", "text/libsvm"),
        ("recordio-protobuf", "application/x-recordio-protobuf"),
        ("parquet", "application/x-parquet"),
    ],
)
def test_words_of_the_platform_are_media_types(word: str, media_type: str) -> None:
    """The words that the platform's algorithms take stand for media types."""
    assert parse_content_type(word).name == media_type
