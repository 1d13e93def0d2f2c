"""HTTP of the model manager: a request in pieces, one that is none, and a client that goes away."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.support import wait_until

from mlberth_serve.control.models.http import Answer, Exchange, Listener
from mlberth_serve.control.models.names import is_name

REQUEST = (
    b"POST /models?a=%20b HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\nContent-Length: 5\r\n"
    b"Connection: close\r\n\r\nhello"
)


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    """Return a listener on a socket."""
    return Listener(tmp_path / "s")


def connect(tmp_path: Path) -> socket.socket:
    """Return a connection to it."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(10)
    client.connect(str(tmp_path / "s"))
    return client


def collect(listener: Listener, found: list[Exchange]) -> None:
    """Wait for an exchange."""

    def arrives() -> bool:
        found.extend(listener.take())
        return bool(found)

    wait_until(arrives)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_request_arrives_in_pieces(listener: Listener, tmp_path: Path, size: int) -> None:
    """It is handed out once, when all of it is there."""
    with connect(tmp_path) as client:
        found: list[Exchange] = []
        for start in range(0, len(REQUEST), size):
            assert not found
            client.sendall(REQUEST[start : start + size])
            found += listener.take()
        collect(listener, found)
        (exchange,) = found
        request = exchange.request
        assert request
        assert (request.method, request.path, request.query) == ("POST", "/models", {"a": " b"})
        assert (request.body, request.request_id) == (b"hello", "abc")
        exchange.answer(Answer(200, {"x": 1}, {"Allow": "GET"}))
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Request-Id: abc\r\n" in head
    assert b"Allow: GET\r\n" in head
    assert json.loads(body) == {"x": 1}
    listener.close()


@pytest.mark.parametrize("path", [b"/models/\xff", b"/models/%ff%fe"])
def test_a_path_that_is_no_text_is_a_request(listener: Listener, tmp_path: Path, path: bytes) -> None:
    """It is answered, as nginx passes such a path on; no model has such a name."""
    with connect(tmp_path) as client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
        found: list[Exchange] = []
        collect(listener, found)
        request = found[0].request
        assert request
        assert not is_name(request.path.removeprefix("/models/"))
        found[0].close()
    listener.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"x" * 300_000,
    ],
)
def test_what_is_no_request_is_cut_off(listener: Listener, tmp_path: Path, data: bytes) -> None:
    """Without an answer: nginx sends no such thing."""
    with connect(tmp_path) as client:
        client.setblocking(False)
        left = memoryview(data)
        while True:
            try:
                left = left[client.send(left) :] if left else left
                if not left:
                    client.shutdown(socket.SHUT_WR)
                    break
            except BlockingIOError:
                assert listener.take() == []
            except OSError:  # it was cut off
                break
        wait_until(lambda: listener.take() == [] and len(listener.descriptors) == 1)
    listener.close()


def test_a_client_that_goes_away_is_no_error(listener: Listener, tmp_path: Path) -> None:
    """The answer is dropped."""
    with connect(tmp_path) as client:
        client.sendall(REQUEST)
        found: list[Exchange] = []
        collect(listener, found)
    found[0].answer(Answer(200, "x" * 1_000_000))
    assert found[0].socket.fileno() == -1
    listener.close()


def test_a_request_that_never_comes_is_given_up(tmp_path: Path) -> None:
    """After its time."""
    now = [0.0]
    listener = Listener(tmp_path / "s", clock=lambda: now[0])
    with connect(tmp_path):
        wait_until(lambda: listener.take() == [] and len(listener.descriptors) == 2)
        now[0] = 16
        assert listener.take() == []
        assert len(listener.descriptors) == 1
    listener.close()
