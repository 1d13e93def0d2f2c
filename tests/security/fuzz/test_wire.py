"""The fuzzers' own eyes: what they must notice, they notice."""

from __future__ import annotations

import pytest
from tests.security.fuzz.servers import to_port
from tests.security.fuzz.test_requests import disagreement
from tests.security.fuzz.wire import Answer, Conversation, converse, split
from tests.serve.raw import answering_once

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"


@pytest.mark.parametrize(
    ("data", "statuses", "problem"),
    [
        (OK * 2, [200, 200], ""),
        (b"", [], ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, [100, 200], ""),
        (b"<html>", [], "no HTTP"),
        (OK + b"x", [200], "no HTTP"),
        (b"HTTP/1.0 200 OK\r\n\r\n", [], "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", [], "cut"),
        (OK[:-1] + b"", [200], ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na", [], "cut"),
    ],
)
def test_what_is_no_http_is_noticed(data: bytes, statuses: list[int], problem: str) -> None:
    """Bytes that are no answer, and answers that break off, are told from whole ones."""
    with answering_once(data) as port:
        (talk,) = converse([Conversation(to_port(port), [b"x"])])
    assert [answer.status for answer in talk.answers] == statuses
    assert talk.problem.startswith(problem)
    assert bool(talk.problem) == bool(problem)
    assert split(data) == (talk.answers, talk.problem)


def test_requests_that_end_elsewhere_are_noticed() -> None:
    """Two servers that have both accepted a request must have read the same body."""
    one, other, refused = Answer(200, b"", b"abc"), Answer(200, b"", b"ab"), Answer(400, b"", b"{}")
    assert disagreement([one, one], [one, one]) is None
    assert disagreement([one, one], [one, other]) == (b"abc", b"ab")
    assert disagreement([one, one], [refused, other]) is None
    interim = Answer(100, b"", b"")
    assert disagreement([interim, one], [one]) is None
    assert disagreement([interim, one], [other]) == (b"abc", b"ab")
