"""Requests over kept connections, with servers that answer in every way that HTTP has, and in others."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress

import pytest
from tests.local.transform.model_servers import Server
from tests.support import free_port, wait_until

from mlberth_local.transform.connection import Body
from mlberth_local.transform.model_client import ModelClient
from mlberth_local.transform.request_loop import Request, RequestLoop

OK = b"HTTP/1.1 200 OK\r\n"
Answers = Sequence[Sequence[bytes]]


class RawServer:
    """Answers the requests of each connection with given bytes, then closes it."""

    def __init__(self, answers: Answers, *, reads: bool) -> None:
        self._answers, self._reads = answers, reads
        self.requests = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for answers in self._answers:
            with suppress(OSError), self._listening.accept()[0] as connection:
                connection.settimeout(60)
                for answer in answers:
                    if self._reads and not self._read(connection):
                        break
                    self.requests += 1
                    connection.sendall(answer)
                if not self._reads:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 20):
                        pass

    @staticmethod
    def _read(connection: socket.socket) -> bool:
        received = b""
        while b"\r\n\r\n" not in received:
            if not (data := connection.recv(1 << 16)):
                return False
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        missing = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
        while missing > 0:
            missing -= len(connection.recv(1 << 20))
        return True

    def close(self) -> None:
        """Stop."""
        self._listening.close()


@pytest.fixture
def answer() -> Iterator[Callable[..., RawServer]]:
    """Return what starts servers with the answers of each connection, one after another."""
    servers: list[RawServer] = []

    def start(*answers: Sequence[bytes], reads: bool = True) -> RawServer:
        servers.append(RawServer(answers, reads=reads))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def exchange(client: ModelClient, *bodies: Body) -> list[Request]:
    """Return what becomes of requests, one after another."""
    found = []
    with closing(client), closing(RequestLoop(client, threading.BoundedSemaphore())) as loop:
        for body in bodies:
            found.append(loop.submit(body))
            while not found[-1].is_done:
                loop.wait()
    return found


def client(port: int, **members: float) -> ModelClient:
    """Return a client that tries once, and does not wait for ever."""
    return ModelClient(port, **{"retries": 0, "timeout": 60.0, "first_pause": 0.01, **members})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (OK + b"Content-Length: 2\r\n\r\nab", b"ab"),
        (OK + b"Content-Length: 0\r\n\r\n", b""),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"ab"),
        (OK + b"\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nab", b"ab"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nab", b"ab"),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nab", b"ab"),
        (OK + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"x" * 3_000_000),
    ],
    ids=["length", "empty", "chunked", "no length", "HTTP/1.0", "interim", "closing", "large"],
)
def test_answers(answer: Callable[..., RawServer], raw: bytes, body: bytes) -> None:
    """The body ends as HTTP says; another request follows, on the same connection or another."""
    server = answer([raw], [raw])
    assert [request.answer for request in exchange(client(server.port), b"1", b"2")] == [body, body]


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "closed the connection"),
        (OK + b"Content-Length: 5\r\n\r\nab", "closed the connection"),
        (b"nonsense\r\n\r\n", "not HTTP"),
    ],
)
def test_answers_that_are_none(answer: Callable[..., RawServer], raw: bytes, cause: str) -> None:
    """The problem is told; the next request has a connection of its own."""
    server = answer([raw], [OK + b"Content-Length: 2\r\n\r\nab"])
    first, second = exchange(client(server.port), b"1", b"2")
    assert cause in first.problem
    assert first.problem.startswith("Unable to get response from algorithm: ")
    assert second.answer == b"ab"


def test_a_kept_connection_that_the_server_has_closed(answer: Callable[..., RawServer]) -> None:
    """That is no fault: the request goes out once more, and is no new try."""
    reply = OK + b"Content-Length: 2\r\n\r\nab"
    server = answer([reply], [reply], [reply])
    assert [request.answer for request in exchange(client(server.port), *[b"1"] * 3)] == [b"ab"] * 3
    assert server.requests == 3


def test_an_answer_before_the_whole_request(answer: Callable[..., RawServer]) -> None:
    """A server that refuses a body need not read it; the connection is not used again."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
    server = answer([refusal], [OK + b"Content-Length: 2\r\n\r\nab"], reads=False)
    first, second = exchange(client(server.port), b"x" * 20_000_000, b"2")
    assert first.problem == "ClientError: 413: big"
    assert second.answer == b"ab"


def test_a_server_that_is_not_there() -> None:
    """Each of many requests says so; they fail one after another, however many there are."""
    found = exchange(client(free_port()), *[b"x"] * 20)
    assert all("refused" in request.problem for request in found)
    with closing(RequestLoop(client(free_port()), threading.BoundedSemaphore())) as loop:
        many = [loop.submit(b"x") for _ in range(3000)]
        while not many[-1].is_done:
            loop.wait()
    assert all(request.problem for request in many)


def test_slots_are_shared(serve: Callable[..., Server]) -> None:
    """However many loops there are, a server has as many requests as there are slots; all are answered."""
    server = serve()
    model, slots = ModelClient(server.port), threading.BoundedSemaphore(2)
    answers: list[bytes | None] = []

    def send(number: int) -> None:
        with closing(RequestLoop(model, slots)) as loop:
            requests = [loop.submit(b"%d-%d" % (number, one)) for one in range(20)]
            while not all(request.is_done for request in requests):
                loop.wait()
        answers.extend(request.answer for request in requests)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), timeout=60)
    model.close()
    assert sorted(filter(None, answers)) == sorted(b"%d-%d" % (a, b) for a in range(5) for b in range(20))
    assert server.most <= 2
