"""Requests made by chance, through nginx and to the worker alone, compared answer by answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.security.fuzz.fuzzing import LONG, Fuzzer, in_pieces
from tests.security.fuzz.grammar import make_stream
from tests.security.fuzz.servers import Connect, Recorder, echoing, recording, to_port, workers
from tests.security.fuzz.test_requests import SECRETS, disagreement
from tests.security.fuzz.wire import Conversation, converse
from tests.serve.running import Server, require_nginx

_NONCE = re.compile(rb"<[0-9a-f]{16}>")
_NOTES_EVERY = 8
"""One input of so many also goes through nginx to the upstream that takes notes."""
_HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\n"
WHOLE = [
    _HEAD + b"Content-Length: 5\r\n\r\n1,2,3",
    _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n1,\r\n3;a=b\r\n2,3\r\n0\r\nX: y\r\n\r\n",
    b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
    _HEAD + b"Connection: close\r\nContent-Length: 4\r\n\r\nlast",
]


class Servers(NamedTuple):
    """The three that are asked."""

    nginx: Server
    alone: Server
    notes: Connect
    recorder: Recorder


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run nginx with a worker, a worker alone, and nginx with an upstream that takes notes."""
    require_nginx()
    with ExitStack() as stack:
        nginx = stack.enter_context(echoing(tmp_path_factory.mktemp("n"), nginx=True))
        alone = stack.enter_context(echoing(tmp_path_factory.mktemp("a"), nginx=False))
        notes, recorder = stack.enter_context(recording(tmp_path_factory.mktemp("r")))
        yield Servers(nginx, alone, notes, recorder)


class Trial:
    """One input, and the conversations about it."""

    def __init__(self, number: int, pieces: list[bytes], nonce: bytes, servers: Servers) -> None:
        self.number = number
        self.pieces = pieces
        self.nonce = nonce
        self.nginx = Conversation(to_port(servers.nginx.port), pieces)
        # The worker alone answers a client that has closed its direction, so that waiting is of no use.
        self.alone = Conversation(to_port(servers.alone.port), pieces, patience=0.02)
        self.talks = [self.nginx, self.alone]
        if number % _NOTES_EVERY == 0:
            self.talks.append(Conversation(servers.notes, pieces))
        self.left = len(self.talks)

    def problems(self, nonces: set[bytes]) -> Iterator[str]:
        """Yield what is wrong with the answers, each kind of fault by its figure's name.

        `nonces` are those of every input: one that is damaged is nobody's, another's is a mix-up.
        """
        for talk in self.talks:
            if talk.problem:
                yield "non_http"
            for answer in talk.answers:
                if answer.status >= 500 and answer.status not in {501, 505}:
                    yield "server_errors"
                if answer.status >= 400 and any(secret in answer.body for secret in SECRETS):
                    yield "leaks"
                if nonces.intersection(_NONCE.findall(answer.body)) - {self.nonce}:
                    yield "mixed_up"
        if any(disagreement(self.nginx.answers, talk.answers) for talk in self.talks[1:]):
            yield "disagreements"


def make_trials(fuzzer: Fuzzer, servers: Servers, trials: dict[int, Trial]) -> Iterator[Conversation]:
    """Make the inputs, and yield the conversations about each."""
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        nonce = b"<%016x>" % chance.getrandbits(64)
        trial = Trial(number, in_pieces(make_stream(chance, nonce), chance), nonce, servers)
        for talk in trial.talks:
            trials[id(talk)] = trial
            yield talk


def test_requests_made_by_chance_end_in_answers(servers: Servers) -> None:
    """Nothing that is no HTTP comes back, no worker dies, and no two readers see different requests."""
    fuzzer = Fuzzer("http", short=1200, long=300_000)
    before = workers(servers.nginx), workers(servers.alone)
    figures = Counter(
        dict.fromkeys(["requests", "non_http", "server_errors", "leaks", "mixed_up", "disagreements"], 0)
    )
    trials: dict[int, Trial] = {}
    nonces: set[bytes] = set()
    for talk in converse(make_trials(fuzzer, servers, trials)):
        trial = trials.pop(id(talk))
        figures["requests"] += max(1, len(talk.answers))
        nonces.add(trial.nonce)
        trial.left -= 1
        if not trial.left:
            for problem in set(trial.problems(nonces)):
                figures[problem] += 1
                fuzzer.fail(trial.number, problem, b"".join(trial.pieces))
    after = workers(servers.nginx), workers(servers.alone)
    tracebacks = (servers.nginx.text + servers.alone.text).count("Traceback")
    violations = len(servers.recorder.violations)
    fuzzer.report(**figures, worker_deaths=int(after != before), tracebacks=tracebacks, violations=violations)
    assert fuzzer.failures == []
    assert (after, tracebacks, violations) == (before, 0, 0)


@settings(max_examples=2000 if LONG else 30, deadline=None, suppress_health_check=list(HealthCheck))
@given(places=st.lists(st.integers(0, sum(map(len, WHOLE))), max_size=12), alone=st.booleans())
def test_pieces_change_nothing(servers: Servers, places: list[int], alone: bool) -> None:
    """Wherever the network parts requests, they are the same requests."""
    data = b"".join(WHOLE)
    assert replies(servers, parted(data, sorted(places)), alone=alone) == EXPECTED


@pytest.mark.parametrize("alone", [False, True], ids=["nginx", "alone"])
def test_every_place_to_part_is_fine(servers: Servers, alone: bool) -> None:
    """So at each single byte."""
    data = b"".join(WHOLE)
    port = servers.alone.port if alone else servers.nginx.port
    talks = [Conversation(to_port(port), parted(data, [place]), patience=20) for place in range(len(data))]
    wrong = [talk.pieces for talk in converse(talks, parallel=8) if summary(talk) != EXPECTED]
    assert wrong == []


EXPECTED = [(200, b"1,2,3"), (200, b"1,2,3"), (404, b""), (200, b"last")]


def parted(data: bytes, places: list[int]) -> list[bytes]:
    """Return bytes parted at some places."""
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def replies(servers: Servers, pieces: list[bytes], *, alone: bool) -> list[tuple[int, bytes]]:
    """Return the answers to one conversation."""
    port = servers.alone.port if alone else servers.nginx.port
    (talk,) = converse([Conversation(to_port(port), pieces, patience=20)])
    return summary(talk)


def summary(talk: Conversation) -> list[tuple[int, bytes]]:
    """Return what of the answers is the same each time."""
    return [(answer.status, answer.body if answer.status == 200 else b"") for answer in talk.answers]
