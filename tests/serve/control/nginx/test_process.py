"""What nginx answers by itself: errors as JSON, limits, and headers that no client can forge."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import Answer, Server, require_nginx


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all tests of this file."""
    require_nginx()
    folder = tmp_path_factory.mktemp("front")
    with Server(folder, SAGEMAKER_MAX_PAYLOAD_IN_MB="1") as server:
        yield server.wait_ready()


def exchange(server: Server, head: str) -> Answer:
    """Send a request byte for byte and return the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(head.encode("latin-1") + b"\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        return Answer(response.status, response.headers, response.read())


HOST = "Host: x\r\nConnection: close"
LARGE_CHUNK = "100001\r\n" + "x" * 1048577
CASES = [
    ("GET /invocations", f"GET /invocations HTTP/1.1\r\n{HOST}", 405, "POST"),
    ("POST /ping", f"POST /ping HTTP/1.1\r\n{HOST}\r\nContent-Length: 0", 405, "GET, HEAD"),
    ("TRACE", f"TRACE /ping HTTP/1.1\r\n{HOST}", 405, "GET, HEAD"),
    ("POST execution-parameters", f"POST /execution-parameters HTTP/1.1\r\n{HOST}", 405, "GET, HEAD"),
    ("unknown", f"GET /unknown HTTP/1.1\r\n{HOST}", 404, None),
    ("two slashes", f"GET //ping HTTP/1.1\r\n{HOST}", 404, None),
    ("inner page", f"GET /-/late HTTP/1.1\r\n{HOST}", 404, None),
    ("inner file", f"GET /not_ready.json HTTP/1.1\r\n{HOST}", 404, None),
    ("out of the root", f"GET /%2e%2e/etc/passwd HTTP/1.1\r\n{HOST}", 400, None),
    ("NUL in the path", f"GET /ping%00 HTTP/1.1\r\n{HOST}", 400, None),
    ("no HTTP", "GARBAGE", 400, None),
    ("no host", "GET /ping HTTP/1.1", 400, None),
    ("CONNECT", f"CONNECT x:80 HTTP/1.1\r\n{HOST}", 400, None),
    ("negative length", f"POST /invocations HTTP/1.1\r\n{HOST}\r\nContent-Length: -1", 400, None),
    ("two lengths", f"POST /invocations HTTP/1.1\r\n{HOST}" + "\r\nContent-Length: 1" * 2, 400, None),
    ("large body", f"POST /invocations HTTP/1.1\r\n{HOST}\r\nContent-Length: 1048577", 413, None),
    (
        "large chunked body",
        f"POST /invocations HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{LARGE_CHUNK}",
        413,
        None,
    ),
    ("long path", f"GET /{'a' * 9000} HTTP/1.1\r\n{HOST}", 414, None),
    ("long header", f"GET /ping HTTP/1.1\r\n{HOST}\r\nX-Long: {'a' * 9000}", 431, None),
    ("coding", f"POST /invocations HTTP/1.1\r\n{HOST}\r\nTransfer-Encoding: xchunked", 501, None),
    ("version", f"GET /ping HTTP/3.0\r\n{HOST}", 505, None),
]


@pytest.mark.parametrize(
    ("head", "status", "allow"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_error_is_json(server: Server, head: str, status: int, allow: str | None) -> None:
    """Every error that nginx makes has the one body, the request's id twice, and Allow where it must."""
    answer = exchange(server, head)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.error) == {"code", "message", "request_id"}
    assert len(answer.error["request_id"]) == 32
    assert answer.headers["X-Request-Id"] == answer.error["request_id"]
    assert answer.headers["Allow"] == allow
    assert answer.headers["Server"] == "nginx"


def test_body_at_the_limit_is_taken(server: Server) -> None:
    """The limit is the largest body that passes, to the byte."""
    answer = server.request("POST", "/invocations", b"x" * 1048576)
    assert (answer.status, len(answer.body)) == (200, 1048576)


def test_ping_is_empty_and_not_cached(server: Server) -> None:
    """200 without a body, for HEAD too, and conditional headers change nothing."""
    conditions = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT", "If-None-Match": '"x"'}
    for method in ("GET", "HEAD"):
        answer = server.request(method, "/ping", headers=conditions)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Last-Modified"] is None


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        ("X-Forwarded-Host", "HTTP_X_FORWARDED_HOST"),
        ("Forwarded", "HTTP_FORWARDED"),
        ("X-Real-Ip", "HTTP_X_REAL_IP"),
        ("Script_Name", "HTTP_SCRIPT_NAME"),
        ("SCRIPT_NAME", "SCRIPT_NAME"),
        ("REMOTE_USER", "REMOTE_USER"),
    ],
)
def test_forged_header_does_not_arrive(server: Server, header: str, variable: str) -> None:
    """What a client says of proxies is never passed on."""
    assert server.invoke(f"header {variable}", **{header: "forged"}).body == b""


def test_forwarded_headers_are_nginxs(server: Server) -> None:
    """Address and scheme are what nginx saw, and no header changes the scheme of the request."""
    forged = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Request-Id": "forged"}
    assert server.invoke("header HTTP_X_FORWARDED_FOR", **forged).body == b"127.0.0.1"
    assert server.invoke("header HTTP_X_FORWARDED_PROTO", **forged).body == b"http"
    assert server.invoke("scheme", **forged).body == b"http"
    assert len(server.invoke("header HTTP_X_REQUEST_ID", **forged).body) == 32


def test_private_folder_is_private(server: Server) -> None:
    """Folder 0700, socket and files for our user alone."""
    (folder,) = server.temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "gunicorn.sock").stat().st_mode & 0o077 == 0
    assert (folder / "1").stat().st_mode & 0o777 == 0o700
    assert (folder / "1/launch_spec.json").stat().st_mode & 0o077 == 0


def test_two_workers_listen_nowhere_else(server: Server) -> None:
    """The one TCP port is nginx's: gunicorn and its workers hold none."""
    assert listening_ports(Path(f"/proc/{server.children()['gunicorn']}")) == set()
    assert listening_ports(Path(f"/proc/{server.children()['nginx']}")) == {server.port}


def listening_ports(process: Path) -> set[int]:
    """Return the TCP ports that a process listens on."""
    sockets = set()
    for descriptor in (process / "fd").iterdir():
        target = str(descriptor.readlink()) if descriptor.is_symlink() else ""
        sockets.add(target.removeprefix("socket:[").removesuffix("]"))
    lines = [line.split() for line in (process / "net/tcp").read_text().splitlines()[1:]]
    return {
        int(fields[1].split(":")[1], 16) for fields in lines if fields[3] == "0A" and fields[9] in sockets
    }
