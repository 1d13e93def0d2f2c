"""One connection: requests are taken whole and in order, by our own parser or gunicorn's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from mlberth_serve.app.body import ENVIRON_BODY
from mlberth_serve.worker.http.connection import Connection
from mlberth_serve.worker.http.wsgi_environ import base_environ

FAST = b"POST /invocations HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\n"
OTHER = b"PUT /else HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Connection]]:
    """Return the other side of a connection, and the connection, with nothing sent yet."""
    client, server = socket.socketpair()
    with client:
        connection = Connection(server, "", "s.sock", Config(), base_environ(Config()), collect=False)
        yield client, connection
        connection.close()


def test_requests_are_taken_in_order(pair: tuple[socket.socket, Connection]) -> None:
    """What arrived in one piece is taken one by one; each parser leaves the other what comes after."""
    client, connection = pair
    client.sendall(FAST + b"abc" + OTHER + b"def" + FAST + b"ghi")
    assert connection.receive()
    assert connection.may_batch()
    first = connection.take()
    assert isinstance(first, dict)
    assert (first[ENVIRON_BODY], first["SERVER_NAME"], first["SERVER_PORT"]) == (b"abc", "a", "1")
    assert connection.finish_request()
    assert connection.has_request()
    assert not connection.may_batch()
    second = connection.take()
    assert not isinstance(second, dict)
    assert (second.method, second.path) == ("PUT", "/else")
    assert connection.has_body()
    assert connection.finish_request()  # its body was not read: it is skipped, and is no request
    third = connection.take()
    assert isinstance(third, dict)
    assert third[ENVIRON_BODY] == b"ghi"
    assert not connection.has_request()


@pytest.mark.parametrize("sent", [200_000, 100_000])
def test_body_of_several_pieces_is_waited_for(pair: tuple[socket.socket, Connection], sent: int) -> None:
    """All of it, which nginx sends as fast as it is read; a body that breaks off is no request."""
    client, connection = pair
    head = FAST.replace(b"3", b"200000")
    client.sendall(head + b"a" * 10)
    assert connection.receive()
    assert not connection.may_batch()

    def send() -> None:
        client.sendall(b"b" * (sent - 10))
        client.shutdown(socket.SHUT_WR)

    nginx = threading.Thread(target=send)
    nginx.start()
    if sent == 200_000:
        environ = connection.take()
        assert isinstance(environ, dict)
        assert bytes(environ[ENVIRON_BODY]) == b"a" * 10 + b"b" * 199_990
    else:
        with pytest.raises(ConnectionResetError):
            connection.take()
    nginx.join()


def test_request_that_nobody_waits_for_is_not_taken(pair: tuple[socket.socket, Connection]) -> None:
    """A client that has closed gets no response, whichever parser reads its request."""
    client, connection = pair
    client.sendall(FAST + b"abc")
    client.close()
    assert connection.receive()
    with pytest.raises(ConnectionAbortedError):
        connection.take()


@pytest.mark.parametrize("taken", [False, True])
def test_wrong_order_is_a_fault(pair: tuple[socket.socket, Connection], taken: bool) -> None:
    """A request must be taken to be finished, and finished before the next is taken."""
    client, connection = pair
    client.sendall(OTHER + b"abc" + FAST + b"def")
    connection.receive()
    if taken:
        connection.take()
        with pytest.raises(AssertionError):
            connection.take()
    else:
        for step in (connection.has_body, connection.finish_request):
            with pytest.raises(AssertionError):
                step()
