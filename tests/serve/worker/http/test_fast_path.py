"""Heads that are read without gunicorn's parser: never one that it refuses, or reads in another way."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from hypothesis import given
from hypothesis import strategies as st
from tests.differential import differential

from mlberth_serve.shared.request_ids import ENVIRON_REQUEST_ID
from mlberth_serve.worker.http.fast_path import LINE, read_head
from mlberth_serve.worker.http.response_writer import WSGIResponse
from mlberth_serve.worker.http.wsgi_environ import base_environ, connection_environ

NGINX = (
    b"X-Request-Id: 0123456789abcdef0123456789abcdef",
    b"X-Request-Start: t=1700000000.123",
    b"X-Forwarded-For: 127.0.0.1",
    b"X-Forwarded-Proto: http",
    b"Host: localhost",
    b"Content-Length: 5",
    b"Content-Type: text/csv; charset=utf-8",
    b"Accept: application/json;q=0.5, */*",
)

names = st.sampled_from(
    b"Host|host|Content-Length|content-length|Content-Type|Transfer-Encoding|Accept|Connection|Expect|"
    b"Upgrade|X-A|x_a|X-\x80|| X|X |Content_Length".split(b"|")
)
values = st.one_of(
    st.sampled_from(
        b"x|5|05| 5 |+5|5,5|-1|\xb2|99999999999999999999|chunked|gzip, chunked||\t| a\tb |a\0b|a\rb|a\nb|"
        b"close|100-continue|a:1|[::1]:80".split(b"|")
    ),
    st.binary(max_size=12),
)
fields = st.tuples(names, st.sampled_from([b": ", b":", b" : ", b"", b"\t:"]), values).map(b"".join)
heads = st.builds(
    lambda more, kept, ends: (
        b"".join(line + end for line, end in zip([*kept, *more], [*ends, *([b"\r\n"] * 20)], strict=False))
        + b"\r\n"
    ),
    st.lists(fields, max_size=4),
    st.lists(st.sampled_from(NGINX), max_size=6, unique=True),
    st.lists(st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b"\r\n ", b"\r\n\r\n"]), max_size=10),
)


def by_gunicorn(data: bytes) -> tuple[Any, dict[str, Any], bytes]:
    """Return request, environment and body as gunicorn reads them."""
    settings = Config()
    for name, value in {
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "forwarder_headers": "",
    }.items():
        settings.set(name, value)
    request = next(RequestParser(settings, iter([data]), ""))
    with socket.socket() as unused:
        _, environ = wsgi.create(request, unused, "", "gunicorn.sock", settings, WSGIResponse, (bool,))
    return request, environ, request.body.read()


def by_us(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return environment and body as we read them; None where we leave them to gunicorn."""
    head = read_head(data)
    if head is None:
        return None
    body = data[head.size : head.size + head.length]
    with socket.socket() as unused:
        environ = head.environ | connection_environ(base_environ(Config()), unused, "", "gunicorn.sock")
    assert environ.pop(ENVIRON_REQUEST_ID, None) in (None, environ.get("HTTP_X_REQUEST_ID"))
    return environ, body


def check(data: bytes) -> bool:
    """Compare; returns whether we have read it."""
    ours = by_us(data)
    if ours is None:
        return False
    request, theirs, body = by_gunicorn(data)
    differing = {"wsgi.input", "wsgi.errors", "gunicorn.socket", "wsgi.early_hints"}
    assert ours[0].keys() | differing == theirs.keys() | differing
    for name in ours[0].keys() - differing:
        assert ours[0][name] == theirs[name], name
    assert ours[1] == body
    assert not request.should_close()
    assert not request._expected_100_continue
    return True


def test_request_of_nginx_is_read() -> None:
    """What nginx sends is read, and as gunicorn reads it."""
    assert check(LINE + b"\r\n".join(NGINX) + b"\r\n\r\n1,2,3")


@differential(500)
@given(heads)
def test_what_is_read_is_what_gunicorn_reads(head: bytes) -> None:
    """Whatever the headers: the same environment and the same body, or left to gunicorn."""
    check(LINE + head + b"12345POST /invocations HTTP/1.1\r\n\r\n")


@differential(500)
@given(st.integers(0, 300), st.binary(max_size=3), st.integers(0, 3))
def test_one_fault_is_seen(place: int, put: bytes, cut: int) -> None:
    """Bytes put anywhere into nginx's own request, in the place of others."""
    whole = LINE + b"\r\n".join(NGINX) + b"\r\n\r\n"
    check(whole[:place] + put + whole[place + cut :] + b"12345")


def test_what_was_read_before_is_read_alike() -> None:
    """Heads that share all but the id and the time of the request have their own, and the same rest."""
    first, second = (LINE + b"\r\n".join(NGINX) + b"\r\n\r\n12345" for _ in range(2))
    second = second.replace(b"0123456789abcdef", b"fedcba9876543210").replace(b"123\r\n", b"456\r\n")
    assert check(first)
    assert check(second)
    assert by_us(second) != by_us(first)


@pytest.mark.parametrize(
    "field",
    [
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Host: two",
        b"Content-Length: 5",
        b"X-Request-Id: two",
        b"X-Request-Start: t=1",
        b"X: a\0b",
        b"X : a",
        b"X_A: b",
        b" folded",
    ],
)
def test_out_of_the_ordinary_is_left_to_gunicorn(field: bytes) -> None:
    """What says how a body is sent or what becomes of the connection, what comes twice, what is malformed."""
    assert read_head(LINE + b"\r\n".join([*NGINX, field]) + b"\r\n\r\n12345") is None


def test_gunicorn_refuses_what_is_malformed() -> None:
    """The comparison can fail: the reference does raise."""
    with pytest.raises(ParseException):
        by_gunicorn(LINE + b"Host: a\r\nX : b\r\n\r\n")


@pytest.mark.parametrize(
    "data", [b"", LINE, LINE + b"Host: x\r\n", LINE + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_part_of_a_head_is_none(data: bytes) -> None:
    """There is nothing to say before the head is whole, nor of another request."""
    assert read_head(data) is None
