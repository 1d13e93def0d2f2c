"""The worker: its connections, what ends a request, and what ends the worker."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import Answer, Server, children_of, require_nginx
from tests.support import is_alive, wait_until, within

FAULTY = "faulty:application"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one worker that clients talk to directly."""
    folder = tmp_path_factory.mktemp("bare")
    variables = {"SAGEMAKER_USE_NGINX": "false", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(folder, FAULTY, **variables) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one worker behind nginx."""
    require_nginx()
    with Server(tmp_path_factory.mktemp("b"), FAULTY, SAGEMAKER_MODEL_SERVER_WORKERS="1") as server:
        yield server.wait_ready()


def message(body: str, *headers: str) -> bytes:
    """Return a request as bytes."""
    lines = ["POST /invocations HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", body]).encode()


def connect(server: Server) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def read(client: socket.socket) -> Answer:
    """Read one answer and nothing behind it."""
    response = http.client.HTTPResponse(client, method="POST")
    response.begin()
    return Answer(response.status, response.headers, response.read())


def test_connection_stays_open(bare: Server) -> None:
    """A client that talks to the worker may send one request after the other on one connection."""
    with connect(bare) as client:
        for body in ("1", "2", "3"):
            client.sendall(message(body))
            assert read(client).body == body.encode()


def test_nginx_keeps_its_connection(behind: Server) -> None:
    """While no other request waits, nginx's connection to the worker is used again and again."""
    connections = set()
    with connect(behind) as client:
        for _ in range(10):
            client.sendall(message("connection"))
            connections.add(read(client).body)
    assert len(connections) == 1


def test_large_bodies_come_back_whole(bare: Server, behind: Server) -> None:
    """However many pieces they arrive in, and leave in."""
    body = "0123456789" * 50_000
    assert bare.invoke(body).body == behind.invoke(body).body == body.encode()


def test_requests_in_one_piece_are_answered_in_order(bare: Server) -> None:
    """Pipelined requests get their answers one after the other."""
    with connect(bare) as client:
        client.sendall(message("first") + message("second") + message("third"))
        received = b""
        while not received.endswith(b"third"):
            received += client.recv(4096)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.index(b"first") < received.index(b"second") < received.index(b"third")


@pytest.mark.parametrize("head", ["POST /invocations HTTP/1.1\r\nHost: x\r\n", "", "POST /inv"])
def test_slow_client_holds_no_worker(bare: Server, head: str) -> None:
    """A request whose head, or whose small body, is still on its way keeps nobody waiting."""
    with connect(bare) as slow:
        slow.sendall(head.encode())
        assert bare.invoke("quick").body == b"quick"
    with connect(bare) as slow:
        slow.sendall(message("0123456789")[:-5])
        assert bare.invoke("quick").body == b"quick"
        slow.sendall(b"56789")
        assert read(slow).body == b"0123456789"


def test_body_that_nobody_reads_is_no_next_request(bare: Server) -> None:
    """What an application leaves of a body is skipped; where there is too much of it, the connection ends."""
    smuggled = message("smuggled").decode()
    with connect(bare) as client:
        client.sendall(message(smuggled, "X-Refuse: 1"))
        assert read(client).status == 413
        client.sendall(message("next"))
        assert read(client).body == b"next"
    with connect(bare) as client:
        client.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nX-Refuse: 1\r\nContent-Length: 1000000\r\n\r\n"
        )
        client.sendall(b"x" * 70000)
        assert read(client).status == 413
        assert client.recv(1) == b""


def test_answer_that_is_too_short_ends_its_connection(bare: Server) -> None:
    """A client does not wait for the rest, and takes no other answer for it."""
    with connect(bare) as client:
        client.sendall(message("short"))
        with pytest.raises(http.client.IncompleteRead):
            read(client)


def test_answer_that_breaks_off_is_not_taken_for_whole(bare: Server) -> None:
    """A stream whose application fails is cut off, without the mark of its end."""
    with connect(bare) as client:
        client.sendall(message("break-off"))
        with pytest.raises(http.client.IncompleteRead):
            read(client)
    assert bare.invoke("1").status == 200


def test_client_that_vanishes_leaves_no_traceback(bare: Server) -> None:
    """A connection that is reset in the middle of a body is no fault of the server's."""
    before = bare.text.count("Traceback")
    with connect(bare) as client:
        client.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 70000
        )
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert bare.invoke("1").status == 200
    assert bare.text.count("Traceback") == before


@pytest.mark.parametrize("command", ["leave", "raise"])
def test_application_that_fails_is_a_500(bare: Server, command: str) -> None:
    """Whatever a WSGI application raises, sys.exit included, the worker serves on."""
    worker = bare.invoke("worker").body
    answer = bare.invoke(command)
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert answer.error["request_id"] == answer.headers["X-Request-Id"]
    assert bare.invoke("worker").body == worker


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("NONSENSE\r\n\r\n", 400, "bad_request"),
        (f"GET /{'a' * 9000} HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long"),
        (f"GET / HTTP/1.1\r\nHost: x\r\nX-Long: {'a' * 9000}\r\n\r\n", 431, "headers_too_large"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n", 501, "not_implemented"),
    ],
    ids=["no-http", "long-path", "long-header", "coding"],
)
def test_request_that_cannot_be_read(bare: Server, head: str, status: int, code: str) -> None:
    """Without nginx too, every error has the one form."""
    with connect(bare) as client:
        client.sendall(head.encode())
        answer = read(client)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"


def test_request_that_nobody_waits_for_is_not_run(behind: Server, tmp_path: Path) -> None:
    """A client that has given up while its request waited costs no prediction."""
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    busy = threading.Thread(target=behind.invoke, args=(f"record {runs} wait {gate}",))
    busy.start()
    wait_until(runs.exists)
    with connect(behind) as client:
        client.sendall(message(f"record {runs} 1"))
        wait_until(lambda: waiting(behind) == 1)
    wait_until(lambda: not connections_to(behind))
    gate.touch()
    busy.join(10)
    assert behind.invoke("1").status == 200
    assert len(runs.read_text().splitlines()) == 1


def waiting(server: Server) -> int:
    """Return how many of nginx's connections to gunicorn's socket no worker has accepted."""
    (folder,) = server.temporary.iterdir()
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    # A connection that is not accepted yet has no inode.
    return sum(line[6] == "0" and line[-1].startswith(str(folder)) for line in lines)


def connections_to(server: Server) -> list[str]:
    """Return nginx's connections from clients that it has not closed."""
    local = f":{server.port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [fields[3] for fields in lines if fields[1].endswith(local) and fields[3] == "08"]


@pytest.mark.parametrize("command", ["hang", "hang-in-c"])
def test_hung_prediction_is_killed(tmp_path: Path, command: str) -> None:
    """A second after the timeout; its stack is in the log, even where it hangs in C code."""
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, SAGEMAKER_USE_NGINX="false", **variables) as server:
        server.wait_ready()
        (worker,) = children_of(server.children()["gunicorn"])
        began = time.monotonic()
        if command == "hang":
            answer = server.invoke(command)
            assert (answer.status, answer.error["code"]) == (504, "timeout")
        else:
            with pytest.raises((OSError, http.client.HTTPException)):
                server.invoke(command)
        # The last sign of life may be a little older; the end is late where the machine is slow.
        assert 1.7 < time.monotonic() - began < 20
        wait_until(lambda: not is_alive(worker))
        server.wait_ready()
        assert "faulty.py" in server.text
        assert "in application" in server.text


def test_stream_may_outlast_the_timeout(tmp_path: Path) -> None:
    """As long as it moves."""
    require_nginx()
    variables = {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server:
        answer = server.wait_ready().invoke("stream 35")
        assert answer.body.split()[-1] == b"34"
        assert "TIMEOUT" not in server.text


def test_worker_told_to_stop_answers_what_waits(tmp_path: Path) -> None:
    """Without nginx too: the request in work, and those in the listener's queue."""
    gate, runs = tmp_path / "gate", tmp_path / "runs"
    variables = {"SAGEMAKER_USE_NGINX": "false", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server:
        clients = [connect(server.wait_ready()) for _ in range(4)]
        clients[0].sendall(message(f"record {runs} wait {gate}"))
        wait_until(runs.exists)
        for client in clients[1:]:
            client.sendall(message("1"))
        server.process.terminate()
        wait_until(lambda: "Handling signal: term" in server.text)
        gate.touch()
        assert [read(client).status for client in clients] == [200] * 4
        assert server.process.wait(20) == 0
        for client in clients:
            client.close()


def test_worker_is_replaced_after_its_requests(tmp_path: Path) -> None:
    """SAGEMAKER_MODEL_SERVER_MAX_REQUESTS: another process serves then, and no request is lost."""
    require_nginx()
    variables = {"SAGEMAKER_MODEL_SERVER_MAX_REQUESTS": "5", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(tmp_path, FAULTY, **variables) as server:
        answers = [server.wait_ready().invoke("worker") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 4


def test_worker_ends_with_its_master(tmp_path: Path) -> None:
    """A killed master leaves no worker that serves on."""
    with Server(tmp_path, FAULTY, SAGEMAKER_USE_NGINX="false") as server:
        master = server.wait_ready().children()["gunicorn"]
        workers = children_of(master)
        os.kill(master, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(worker) for worker in workers), timeout=within(2))
        assert server.process.wait(10) == 137
