"""Tests of the load generator, on a server that answers as it is told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

import pytest
from tests.support import free_port, is_alive, wait_until

from mlberth_local.recommendations.generator import Generator, GeneratorError
from mlberth_local.recommendations.load import Tally

SECONDS = 0.05


class Server(ThreadingHTTPServer):
    """Answers one request at a time, after `SECONDS`; `bad` is refused."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.turn = Lock()
        self.types: list[str | None] = []


class Answer(BaseHTTPRequestHandler):
    """One connection of it."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Answer a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.types.append(self.headers["Content-Type"])
        with self.server.turn:
            time.sleep(SECONDS)
        content = b"no such column" if body == b"bad" else b"1"
        self.send_response(400 if body == b"bad" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made, ThreadPoolExecutor(1) as pool:
        pool.submit(made.serve_forever, 0.05)
        yield made
        made.shutdown()


def generator(tmp_path: Path, port: int, *bodies: str, look: object = None) -> Generator:
    """Return a generator with a sample for each body."""
    samples = []
    for number, body in enumerate(bodies):
        path = tmp_path / f"sample-{number}"
        path.write_text(body)
        samples.append((str(path), "text/csv"))
    look = look if callable(look) else lambda: None
    return Generator(port, samples, accept=None, environ=os.environ, look=look)


def test_users_wait_for_their_answers(tmp_path: Path, server: Server) -> None:
    """So the rate is the server's; each of two users waits for the other's request as well."""
    with generator(tmp_path, server.server_port, "1", "2") as load:
        assert load.probe() == {}
        one, two = load.users(1, 0.6), load.users(2, 0.6)
    assert set(server.types) == {"text/csv"}
    assert 1 <= one.answered <= 0.6 / SECONDS + 1
    assert two.answered <= (two.seconds / SECONDS) + 1
    assert one.p95 >= 1000 * SECONDS
    assert one.p99 >= one.p95
    assert two.mean > 1.4 * 1000 * SECONDS
    assert not one.failures


def test_a_paced_request_has_waited_since_it_was_due(tmp_path: Path, server: Server) -> None:
    """At twice the rate that the server can answer, the last one has waited about half of the time."""
    seconds = 1.0
    with generator(tmp_path, server.server_port, "1") as load:
        found = load.paced(2 / SECONDS, seconds, 4)
    assert found.answered == 2 * seconds / SECONDS, "none is left out because others were late"
    assert found.p99 >= 1000 * seconds / 2
    assert found.seconds >= 2 * seconds


def test_a_rate_that_is_far_too_high_ends(tmp_path: Path, server: Server) -> None:
    """What waits is bounded, and the rate is not one that holds."""
    with generator(tmp_path, server.server_port, "1") as load:
        found = load.paced(10_000, 600, 4, most_waiting=20)
    assert 20 <= found.answered <= 200
    assert found.failures == {"20 requests wait for an answer": 1}


def test_a_sample_that_is_refused_is_named(tmp_path: Path, server: Server) -> None:
    with generator(tmp_path, server.server_port, "1", "bad") as load:
        assert load.probe() == {"number": 1, "reason": "400: no such column"}
        window = load.users(1, 0.3)
    assert window.failures["400: no such column"] >= 1
    assert window.first_failure == "400: no such column"


def test_nobody_answers(tmp_path: Path) -> None:
    """Requests fail, slowly enough not to keep a CPU busy."""
    with generator(tmp_path, free_port(), "1") as load:
        assert load.probe()["reason"].startswith("no answer")
        window = load.users(2, 0.3)
    assert window.answered == 0
    assert 2 <= sum(window.failures.values()) <= 20


@contextmanager
def cut_off(load: Generator) -> Iterator[int]:
    """Hand out the process of a generator whose side of the daemon has gone."""
    with ExitStack() as stack:
        stack.enter_context(load)
        process = load._process
        assert process.stdin
        process.stdin.close()
        yield process.pid


def test_it_ends_with_the_daemon(tmp_path: Path, server: Server) -> None:
    """Also in the middle of a stage."""
    with cut_off(generator(tmp_path, server.server_port, "1")) as pid:
        wait_until(lambda: not is_alive(pid))


def test_a_look_ends_a_stage(tmp_path: Path, server: Server) -> None:
    """A job that is stopped does not wait for the end of its load."""
    began = time.monotonic()

    def look() -> None:
        if time.monotonic() > began + 0.5:
            raise TimeoutError

    with pytest.raises(TimeoutError), generator(tmp_path, server.server_port, "1", look=look) as load:
        load.users(1, 600)
    assert time.monotonic() < began + 60


def test_a_generator_that_has_ended_is_an_error(tmp_path: Path) -> None:
    missing = Generator(
        1, [(str(tmp_path / "none"), "text/csv")], accept=None, environ=os.environ, look=lambda: None
    )
    with pytest.raises(GeneratorError), missing as load:
        load.probe()


def test_percentiles_are_never_too_low() -> None:
    """They are counted in steps, and rounded up by half a percent at most."""
    tally = Tally()
    for number in range(1, 1001):
        tally.note(number / 1000)
    assert 950 <= tally.percentile(0.95) <= 950 * 1.005
    assert 990 <= tally.percentile(0.99) <= 990 * 1.005
    assert Tally().percentile(0.95) == 0
