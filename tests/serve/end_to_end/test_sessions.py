"""Sessions in both directions, frame by frame: a client made of wsproto, or of bytes."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from tests.serve.raw import split_answers
from tests.serve.running import Answer
from tests.serve.streaming import Streaming
from tests.support import wait_until, within
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

PATH = "/invocations-bidirectional-stream"
HEAD = (
    f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.fixture(scope="module")
def server(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Streaming]:
    """Run one worker with sessions, behind nginx or not."""
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    folder = tmp_path_factory.mktemp("s")
    with Streaming(folder, SAGEMAKER_MAX_PAYLOAD_IN_MB="1", **variables) as running:
        running.wait_ready()
        yield running


class Client:
    """A WebSocket of a client that answers no ping by itself."""

    def __init__(self, server: Streaming, path: str = PATH, **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self.protocol: WSConnection | Connection = WSConnection(ConnectionType.CLIENT)
        more = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.send(Request(host="x", target=path, extra_headers=more))
        self._events: list[Event] = []
        assert isinstance(self.receive(), AcceptConnection)

    def send(self, *events: Any) -> None:
        """Send events."""
        for event in events:
            self.socket.sendall(self.protocol.send(event))

    def receive(self) -> Any:
        """Return the next event."""
        while not self._events:
            self.protocol.receive_data(self.socket.recv(65536) or None)
            self._events = list(self.protocol.events())
        return self._events.pop(0)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def end(client: Client) -> tuple[int, str]:
    """Read up to the server's close frame, answer it, and return what it says; then comes the end."""
    while not isinstance(event := client.receive(), CloseConnection):
        pass
    with contextlib.suppress(OSError, LocalProtocolError):  # the last, if the client was the first to close
        client.socket.sendall(client.protocol.send(event.response()))
    return event.code, event.reason or ""


def test_messages_come_back_as_they_were(server: Streaming) -> None:
    """Text as text, binary as binary, one frame for each; other requests are answered meanwhile."""
    with Client(server) as client:
        client.send(TextMessage("echo"))
        for event in (
            TextMessage("é"),
            BytesMessage(b"\0\xff"),
            TextMessage(""),
            BytesMessage(b"x" * 500_000),
        ):
            client.send(event)
            received = client.receive()
            data = received.data
            while not received.message_finished:  # wsproto gives what has arrived
                received = client.receive()
                data += received.data
            assert (type(received), data) == (type(event), event.data)
        assert server.invoke('{"kind": "plain"}').body == b"[1,2,3]"
        client.send(CloseConnection(1000, "bye"))
        assert end(client) == (1000, "bye")
    wait_until((server.notes / "echo").exists)
    assert "closed by 1000" in (server.notes / "echo").read_text()


def test_fragments(server: Streaming) -> None:
    """A message in several frames is one message, or frame by frame if the handler asks for frames."""
    parts = [
        TextMessage("a", message_finished=False),
        TextMessage("b", message_finished=False),
        TextMessage("c"),
    ]
    with Client(server) as client:
        client.send(TextMessage("echo"), *parts)
        assert client.receive() == TextMessage("abc")
    with Client(server) as client:
        client.send(TextMessage("frames"), *parts)
        assert [client.receive() for _ in parts] == parts
        client.send(BytesMessage(b"1", message_finished=False), Ping(b"between"), BytesMessage(b"2"))
        received = [client.receive() for _ in range(3)]
        assert Pong(b"between") in received
        received.remove(Pong(b"between"))
        assert received == [BytesMessage(b"1", message_finished=False), BytesMessage(b"2")]


def test_request_of_a_session(server: Streaming, front: str) -> None:
    """The context has the headers and the query of the request that opened it."""
    with Client(server, **{"X-Amzn-SageMaker-Custom-Attributes": "trace=7"}) as client:
        client.send(TextMessage("wait"))
        assert client.receive() == TextMessage("trace=7")
    wait_until((server.notes / "wait.finally").exists, timeout=within(2.5))
    with Client(server, f"{PATH}?lang=en") as client:
        client.send(TextMessage("wait"))
        assert client.receive() == TextMessage("lang=en")


ENDS = {
    "fail": (1011, "stream_fn failed"),
    "refuse": (1008, "No records"),
    "close": (4001, "enough"),
    "number": (1011, ""),
}


@pytest.mark.parametrize("kind", ENDS)
def test_close_codes(server: Streaming, kind: str) -> None:
    """Why it ended is in the close frame; what an exception says is in the log alone."""
    code, reason = ENDS[kind]
    with Client(server) as client:
        client.send(TextMessage(kind))
        found = end(client)
    assert found[0] == code
    assert found[1].startswith(reason)
    assert "secret" not in found[1]
    if kind == "fail":
        wait_until(lambda: "secret of the handler" in server.text)


def masked(
    opcode: int, data: bytes, *, fin: bool = True, mask: bool = True, length: int | None = None
) -> bytes:
    """Return a frame, right or wrong; the mask is zeros."""
    size = len(data) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    return head + (bytes(4) if mask else b"") + data


FAULTS = {
    "not masked": ([masked(1, b"a", mask=False)], 1002),
    "a continuation of nothing": ([masked(0, b"a")], 1002),
    "a message within another": ([masked(1, b"a", fin=False), masked(2, b"b")], 1002),
    "a ping in fragments": ([masked(9, b"a", fin=False)], 1002),
    "a ping that is too long": ([masked(9, b"a" * 126)], 1002),
    "an unknown opcode": ([masked(3, b"a")], 1002),
    "reserved bits": ([masked(0x41, b"a")], 1002),
    "text that is no UTF-8": ([masked(1, b"\xff\xfe")], 1007),
    "a length that is not minimal": ([b"\x81\xfe\x00\x01\0\0\0\0a"], 1002),
    "a message over the limit": ([masked(2, b"a" * 700_000, fin=False), masked(0, b"a" * 700_000)], 1009),
    "a frame over the limit": ([masked(2, b"a" * 1_100_000, length=2**40)], 1009),
    "a close frame of one byte": ([masked(8, b"a")], 1002),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_frames_that_are_none(server: Streaming, fault: str) -> None:
    """What RFC 6455 forbids, or what is too much, ends the session with its code, and nothing else."""
    frames, code = FAULTS[fault]
    with Client(server) as client:
        client.send(TextMessage("frames"))
        with contextlib.suppress(OSError):
            for frame in frames:
                client.socket.sendall(frame)
        assert end(client)[0] == code
    assert server.invoke('{"kind": "plain"}').status == 200


def test_pings_are_answered(server: Streaming) -> None:
    """With their payload, while the handler waits for a message."""
    with Client(server) as client:
        client.send(TextMessage("echo"), Ping(b"are you there"))
        assert client.receive() == Pong(b"are you there")


@pytest.mark.parametrize("kind", ["wait", "flood"])
def test_client_that_goes_away_ends_the_function(server: Streaming, kind: str) -> None:
    """Whether it waits for something else, or sends."""
    (server.notes / f"{kind}.finally").unlink(missing_ok=True)
    with Client(server, f"{PATH}?x") as client:
        client.send(TextMessage(kind))
        client.receive()
    wait_until((server.notes / f"{kind}.finally").exists, timeout=within(2.5))


def refused(server: Streaming, head: str) -> Answer:
    """Return the answer to a request that opens no session."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(f"{head}\r\n".encode())
        received = client.recv(65536)
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            received += client.recv(65536)
    return split_answers(received)[0]


@pytest.mark.parametrize(
    ("old", "new", "status", "code"),
    [
        ("Upgrade: websocket\r\n", "", 426, "upgrade_required"),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", 426, "upgrade_required"),
        ("Connection: Upgrade\r\n", "", 426, "upgrade_required"),
        ("Version: 13", "Version: 8", 426, "upgrade_required"),
        ("Sec-WebSocket-Version: 13\r\n", "", 426, "upgrade_required"),
        ("AAAA==", "AA", 400, "bad_request"),
        ("AAAA==", "\xc3\xa9", 400, "bad_request"),
        ("GET /", "POST /", 405, "method_not_allowed"),
    ],
)
def test_requests_that_open_none(server: Streaming, old: str, new: str, status: int, code: str) -> None:
    """A request that is no WebSocket's gets an answer as any other."""
    assert old in HEAD
    answer = refused(server, HEAD.replace(old, new, 1))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["request_id"] == answer.headers["X-Request-Id"]
    assert (answer.headers["Sec-WebSocket-Version"] == "13") == (status == 426)
    assert (answer.headers["Allow"] == "GET") == (status == 405)


def test_handler_without_a_stream_fn(front: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """501 says that nobody implements it; predictions are served."""
    variables = {"SAGEMAKER_USE_NGINX": front, "STREAM_NO_SESSIONS": "1"}
    with Streaming(tmp_path_factory.mktemp("s"), **variables) as server:
        server.wait_ready()
        answer = refused(server, HEAD)
        assert (answer.status, answer.error["code"]) == (501, "not_implemented")
        assert server.invoke('{"kind": "plain"}').status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_stop_and_reload_end_sessions(
    tmp_path_factory: pytest.TempPathFactory, front: str, number: int
) -> None:
    """The iteration ends, the handler may say a last word, and the client is told to go elsewhere: 1001."""
    if front == "false" and number == signal.SIGHUP:
        pytest.skip("only nginx can pass requests on to another gunicorn")
    with Streaming(tmp_path_factory.mktemp("s"), SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        with Client(server) as client:
            client.send(TextMessage("last_word"))
            assert client.receive() == TextMessage("listening")
            server.process.send_signal(number)
            assert client.receive() == TextMessage("last word")
            assert end(client)[0] == 1001
        if number == signal.SIGTERM:
            assert server.process.wait(20) == 0
        else:
            assert server.invoke('{"kind": "plain"}').status == 200
