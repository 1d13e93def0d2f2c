"""What a client's bytes do to the log: raw requests to every location, with nginx and without."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import Server
from tests.support import wait_until

APPLICATION = "mlberth_serve.wsgi:application"
SECRET = b"canary-0b7e41"
CONTROLS = {
    "escape": b"\x1b[31mEVIL",
    "nul": b"\x00",
    "del": b"\x7f",
    "bell": b"\x07\x08",
    "carriage return": b"a\rb",
    "line end": b"\r\n2026-01-01 00:00:00,000 CRITICAL mlberth: forged",
    "bare line end": b"a\nb",
    "c1": b"\x9b31m\x85",
    "c1 in UTF-8": b"\xc2\x9b31m\xc2\x85",
    "bidi": "\u202eabc\u2066\u200f\u061c\u2028".encode(),
    "quotes": b'", client: 1.2.3.4, host: "x"\\"} {"level": "forged"',
    "percent": b"%1b[31m%0a%0d%00%7f%c2%9b%e2%80%ae",
    "broken UTF-8": b"\xff\xfe\xed\xa0\x80",
}
PATHS = [b"/ping", b"/invocations", b"/metrics", b"/execution-parameters", b"/openapi.json", b"/", b"/no%s"]
HANDLER = """
import json


def model_fn(model_dir):
    return 1


def transform_fn(model, body, content_type, accept, context):
    context.logger.warning("got %s", body)
    raise ValueError(body)
"""


@pytest.fixture(scope="module", params=["text", "json"])
def server(
    tmp_path_factory: pytest.TempPathFactory, front: str, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """Yield a server that logs its requests, and whose handler fails with what it was sent."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / "ml/model/code/inference.py").write_text(HANDLER)
    variables = {"SAGEMAKER_LOG_FORMAT": request.param, "SAGEMAKER_ACCESS_LOG": "true"}
    with Server(folder, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables) as server:
        server.wait_ready()
        yield server


def send(server: Server, data: bytes) -> None:
    """Send bytes, and wait for the begin of an answer, or for the end of the connection."""
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as client,
        contextlib.suppress(OSError),
    ):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        client.recv(65536)


def requests(path: bytes, evil: bytes) -> Iterator[bytes]:
    """Yield requests with some bytes in every place that a request has."""
    path = path.replace(b"%s", evil)
    query = b"?token=" + SECRET + evil + SECRET
    tail = b"Host: a\r\nContent-Length: 3\r\nContent-Type: application/json\r\n\r\n[1]"
    yield b"POST %b%b HTTP/1.1\r\n%b" % (path, query, tail)
    yield b"GET %b%b HTTP/1.1\r\nHost: a\r\n\r\n" % (path, query)
    yield b"GET %b%b\r\n" % (path, query)
    yield b"%b %b%b HTTP/1.1\r\n%b" % (b"A" * 60, path, query, tail)
    yield b"P%bT %b%b HTTP/1.1\r\n%b" % (evil, path, query, tail)
    yield b"POST %b%b HTTP/1.1%b\r\n%b" % (path, query, evil, tail)
    too_large = b"Host: a\r\nContent-Length: 99999999999\r\n\r\n"
    for name in (b"Referer", b"User-Agent", b"X-Custom", b"X-Request-Id", b"traceparent", b"Cookie", b"Host"):
        referrer = b"%b: http://a/%b%b\r\n" % (name, evil, query)
        yield b"POST %b%b HTTP/1.1\r\n%b%b" % (path, query, referrer, tail)
        yield b"POST %b%b HTTP/1.1\r\n%b%b" % (path, query, referrer, too_large)
    for name in (b"X-Amzn-SageMaker-Inference-Id", b"X-Amzn-SageMaker-Custom-Attributes", b"Accept"):
        yield b"POST %b HTTP/1.1\r\n%b: %b\r\n%b" % (path, name, evil, tail)
    yield b"POST %b%b HTTP/1.1\r\nX%bY: 1\r\n%b" % (path, query, evil, tail)
    yield b"POST %b%b HTTP/1.1\r\nHost: a\r\nContent-Length: 3%b\r\n\r\n[1]" % (path, query, evil)
    yield b"POST %b%b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n\r\n0\r\n\r\n" % (path, query, evil)
    for chunk in (
        b"3" + evil + b"\r\n[1]\r\n0\r\n\r\n",
        evil,
        b"3;" + evil + b"\r\n[1]\r\n0\r\n" + evil + b"\r\n\r\n",
    ):
        yield b"POST %b%b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b" % (path, query, chunk)


def check(log: bytes) -> None:
    """Fail for a byte of a client's that does something, and for a line that is none of ours."""
    text = log.decode()  # or it holds bytes that are no text
    assert SECRET.decode() not in text
    lines = text.split("\n")[:-1]
    assert [line for line in lines if not line.isprintable()] == []
    for line in lines:
        if line.startswith("{"):
            assert json.loads(line)["level"] in ("INFO", "WARNING", "ERROR")
        else:
            assert re.match(r"\d{4}-\d\d-\d\d[T ]|    ", line), line
            assert line.startswith("    ") or " CRITICAL " not in line[:50]


@pytest.mark.parametrize("evil", CONTROLS)
def test_no_byte_of_a_request_is_obeyed(server: Server, evil: str) -> None:
    """In whatever place of a request to whatever path: the log holds printable lines of ours alone."""
    began = len(server.log.read_bytes())
    for path in PATHS:
        for data in requests(path, CONTROLS[evil]):
            send(server, data)
    answer = server.request("POST", "/invocations", CONTROLS[evil], {"Content-Type": "application/x-any"})
    assert answer.status == 500  # the handler's exception has it, and so has its traceback
    marker = f"/marker-{evil.replace(' ', '-')}"
    server.request("GET", marker)

    def whole() -> bytes:
        """Return the lines that have their ends: the last one may be on its way."""
        return server.log.read_bytes()[began:].rpartition(b"\n")[0] + b"\n"

    wait_until(lambda: marker.encode() in whole(), message=server.text)
    log = whole()
    check(log)
    assert b"ValueError: " in log
    assert server.ping() == 200


def test_refused_requests_leave_no_line(tmp_path: Path, front: str) -> None:
    """Where no access log is asked for, what is refused costs no line, at every location."""
    with Server(tmp_path, SAGEMAKER_USE_NGINX=front) as server:
        server.wait_ready()
        for path in PATHS:
            for data in requests(path, b'"\x1b'):
                send(server, data)
        assert server.invoke("1").status == 200
        assert server.stop() == 0
        assert len(server.text.splitlines()) < 20, server.text
