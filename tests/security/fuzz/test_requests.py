"""Bad and odd requests through nginx, to the worker alone, and to an upstream that takes notes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.security.fuzz.corpus import CANARY, REFUSED, REQUESTS, in_words, read_expected
from tests.security.fuzz.servers import (
    Recorder,
    echoing,
    recording,
    to_port,
    to_worker_behind_nginx,
    workers,
)
from tests.security.fuzz.wire import Answer, Conversation, converse
from tests.serve.running import require_nginx

EXPECTED = read_expected()
SECRETS = (b"Traceback", b'File "', b".py", b"/tmp", b"/home", b"/usr", b"root:", b"gunicorn/")
NGINX, ALONE, SOCKET, RECORDER = "nginx", "alone", "socket", "recorder"
# nginx drops a request whose client has closed its direction; a worker answers all the same.
PATIENCE = {NGINX: 6.0, RECORDER: 6.0, ALONE: 0.05, SOCKET: 0.05}
Talks = dict[str, dict[str, Conversation]]


@pytest.fixture(scope="module")
def recorder() -> list[Recorder]:
    """Return a place for the upstream that takes notes."""
    return []


@pytest.fixture(scope="module")
def talks(recorder: list[Recorder], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talks]:
    """Send every request to every server, the canary behind it; return what was answered."""
    require_nginx()
    with ExitStack() as stack:
        behind = stack.enter_context(echoing(tmp_path_factory.mktemp("n"), nginx=True))
        alone = stack.enter_context(echoing(tmp_path_factory.mktemp("a"), nginx=False))
        to_recorder, upstream = stack.enter_context(recording(tmp_path_factory.mktemp("r")))
        recorder.append(upstream)
        targets = {
            NGINX: to_port(behind.port),
            ALONE: to_port(alone.port),
            SOCKET: to_worker_behind_nginx(behind),
            RECORDER: to_recorder,
        }
        before = workers(behind), workers(alone)
        found: Talks = {
            target: {
                name: Conversation(connect, [data + CANARY], PATIENCE[target])
                for name, data in REQUESTS.items()
            }
            for target, connect in targets.items()
        }
        every = [talk for talks in found.values() for talk in talks.values()]
        assert len(list(converse(every, parallel=24))) == len(every)
        yield found
        assert (workers(behind), workers(alone)) == before
        assert "Traceback" not in behind.text + alone.text


def test_every_request_has_its_answers() -> None:
    """The table of answers names exactly the requests that there are."""
    assert list(EXPECTED) == list(REQUESTS)


@pytest.mark.parametrize("target", [NGINX, ALONE])
@pytest.mark.parametrize("name", EXPECTED)
def test_request_is_answered_as_it_must_be(talks: Talks, target: str, name: str) -> None:
    """Each request gets its answers, and what stands behind a refused one is never taken for a request."""
    expected = EXPECTED[name].nginx if target == NGINX else EXPECTED[name].alone
    assert in_words(talks[target][name].answers) in expected


@pytest.mark.parametrize("target", [NGINX, ALONE, SOCKET, RECORDER])
def test_only_http_comes_back(talks: Talks, target: str) -> None:
    """Whatever was sent, there are whole answers and a connection that is closed, nothing else."""
    assert {name: talk.problem for name, talk in talks[target].items() if talk.problem} == {}


@pytest.mark.parametrize("target", [NGINX, ALONE, SOCKET])
def test_errors_tell_nothing_of_the_inside(talks: Talks, target: str) -> None:
    """Each error is our JSON, with the request's id, and holds no traceback, no path and no input."""
    for name, talk in talks[target].items():
        for answer in (answer for answer in talk.answers if answer.status >= 400 and answer.body):
            error = json.loads(answer.body)["error"]
            assert set(error) == {"code", "message", "request_id"}, name
            assert f"X-Request-Id: {error['request_id']}".encode() in answer.head, name
            assert [secret for secret in SECRETS if secret in answer.body + answer.head] == [], name


def test_refused_request_ends_its_connection(talks: Talks) -> None:
    """A worker that could not tell where a request ends says that it closes, and does."""
    kept = [
        name
        for name, talk in talks[ALONE].items()
        if in_words(talk.answers) == "no" and b"\r\nConnection: close" not in talk.answers[-1].head
    ]
    assert kept == []


def test_nginx_passes_on_requests_with_one_end(talks: Talks, recorder: list[Recorder]) -> None:
    """What nginx sends a worker has one host, one length or none, no coding and no half line."""
    assert recorder[0].count > len(REQUESTS) / 2
    assert recorder[0].violations == []


@pytest.mark.parametrize("other", [ALONE, SOCKET, RECORDER])
def test_two_readers_agree_where_a_request_ends(talks: Talks, other: str) -> None:
    """Where nginx and another reader both take a request, it is the same request for both."""
    for name, talk in talks[NGINX].items():
        assert disagreement(talk.answers, talks[other][name].answers) is None, name


def disagreement(ours: list[Answer], theirs: list[Answer]) -> tuple[bytes, bytes] | None:
    """Return the first two bodies that two servers have both accepted and that differ."""
    for one, other in zip(_final(ours), _final(theirs), strict=False):
        if one.status in REFUSED or other.status in REFUSED:
            return None  # one does not take it: behind it there is nothing to compare
        is_echo = one.status == other.status == 200 and one.body[:1] != b"{" and one.body and other.body
        if is_echo and one.body != other.body:
            return one.body, other.body
    return None


def _final(answers: list[Answer]) -> list[Answer]:
    """Return the answers that end a request: before one, a server may say 100 Continue."""
    return [answer for answer in answers if answer.status >= 200]
