"""The load generator against servers that count what they are asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from bench.load import ask, drive, drive_at, prepare


class CountingServer:
    """Answers each request on a kept-alive connection, and counts them."""

    def __init__(self, answer: bytes, *, most_per_connection: int = 0) -> None:
        self.count = 0
        self.paths: set[bytes] = set()
        self._answer = answer
        self._most = most_per_connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        served = 0
        with client, client.makefile("rb") as file, contextlib.suppress(OSError):
            while not self._most or served < self._most:
                line = file.readline()
                if not line:
                    return
                length = 0
                while (header := file.readline()) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.partition(b":")[2])
                file.read(length)
                served += 1
                with self._lock:
                    self.count += 1
                    self.paths.add(line.split()[1])
                client.sendall(self._answer)

    def close(self) -> None:
        """Take no further connection."""
        self._listener.close()


@contextlib.contextmanager
def answering(answer: bytes, *, most_per_connection: int = 0) -> Iterator[CountingServer]:
    """Run a counting server."""
    server = CountingServer(answer, most_per_connection=most_per_connection)
    try:
        yield server
    finally:
        server.close()


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = prepare("/invocations", b"1,2", "text/csv")


def test_every_answer_is_counted_once() -> None:
    """What the generator counts is what the server answered, but for one in flight on each connection."""
    with answering(GOOD) as server:
        result = drive(server.address, REQUEST, clients=3, seconds=0.2)
        assert result.failed == 0
        assert result.requests == len(result.latencies)
        assert result.requests <= server.count <= result.requests + 3
        assert server.paths == {b"/invocations"}


def test_the_warm_up_does_not_count() -> None:
    """Answers of the first seconds are in no figure; the meter is read after them and at the end."""
    readings: list[int] = []

    def meter() -> float:
        readings.append(server.count)
        return float(server.count)

    with answering(GOOD) as server:
        for warm in (0.1, 1.0, 10.0):  # a busy machine may answer nothing for a while
            before = server.count
            result = drive(server.address, REQUEST, clients=2, seconds=0.1, warm=warm, meter=meter)
            if readings[-2] > before:
                break
        assert readings[-2] > before
        assert result.cpu_seconds == readings[-1] - readings[-2]
        assert abs(result.requests - result.cpu_seconds) <= 4


def test_an_error_is_a_failed_request() -> None:
    """An answer other than 200 counts as a request, and as failed."""
    with answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n") as server:
        result = drive(server.address, REQUEST, clients=1, seconds=0.05)
        assert result.failed == result.requests > 0


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", id="chunked"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", id="close"),
    ],
)
def test_chunks_and_closed_connections_are_read(answer: bytes) -> None:
    """Servers that send chunks, or close their connections, can be measured too."""
    most = 1 if b"close" in answer else 0
    with answering(answer, most_per_connection=most) as server:
        result = drive_at(server.address, REQUEST, rate=1000, seconds=0.01, clients=2)
        assert result.failed == 0
        assert result.requests == server.count == 10


def test_a_rate_is_kept() -> None:
    """A fixed rate sends that many requests; a server that stalls is waited for by all that were due."""
    with answering(GOOD) as server:
        result = drive_at(server.address, REQUEST, rate=100, seconds=0.3)
        assert result.requests == server.count == 30
        assert result.failed == 0
        assert result.seconds >= 0.28


def test_ask_returns_the_body() -> None:
    """One request gives its success and its body."""
    with answering(GOOD) as server:
        assert ask(server.address, REQUEST) == (True, b"ok")
