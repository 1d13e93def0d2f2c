"""How large the headers of a response, and of a request, may be: the same with nginx and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serve.raw import exchange
from tests.serve.running import Answer, Server, require_nginx

from mlberth_serve.errors import ResponseHeaderError
from mlberth_serve.handler.response_headers import CUSTOM_ATTRIBUTES, check_sizes
from mlberth_serve.shared.limits import MAX_HEAD_BYTES, MAX_HEADER_BYTES

APPLICATION = "mlberth_serve.wsgi:application"
HANDLER = """
import json


def model_fn(model_dir):
    return model_dir


def input_fn(body, content_type):
    return json.loads(body)


def predict_fn(asked, model_dir, context):
    with open(f"{model_dir}/runs", "a") as file:
        file.write("run\\n")
    for name, size in asked:
        context.set_response_header(name, "v" * size)
    return [len(asked)]
"""
GUEST = """
import json


def app(environ, start_response):
    if environ["PATH_INFO"] == "/ping":
        start_response("200 OK", [])
        return []
    with open("RUNS", "a") as file:
        file.write("run\\n")
    asked = json.loads(environ["wsgi.input"].read())
    start_response("200 OK", [(name, "v" * size) for name, size in asked])
    return [b"[1]"]
"""
RAW = """
import pathlib
import socket


def application(environ, start_response):
    response, runs = environ["wsgi.input"].read().decode().split()
    with open(runs, "a") as file:
        file.write("run\\n")
    client = environ["gunicorn.socket"]
    client.sendall(pathlib.Path(response).read_bytes())
    client.shutdown(socket.SHUT_RDWR)
    start_response("200 OK", [])
    return []
"""
TOO_LARGE_REQUEST = (
    "A header is longer than 8 kB, all of them are longer than 32 kB, or there are more than 100."
)
FITS: dict[str, list[tuple[str, int]]] = {
    "4 kB in one": [("X-Large", 4096)],
    "4 kB in five": [(f"X-Part-{number}", 900) for number in range(5)],
    "the largest": [("X-Large", MAX_HEADER_BYTES - len("X-Large: "))],
    "almost all": [(f"X-Part-{number}", 8000) for number in range(4)],
    "many": [(f"X-Part-{number}", 300) for number in range(89)],
}
TOO_LARGE: dict[str, tuple[list[tuple[str, int]], str]] = {
    "one byte": ([("X-Large", MAX_HEADER_BYTES + 1 - len("X-Large: "))], "X-Large"),
    "64 kB": ([("X-Small", 1), ("X-Large", 65536)], "X-Large"),
    "all together": ([*((f"X-Part-{n}", 8000) for n in range(4)), ("X-Last", 900)], "X-Part-"),
    "too many": ([(f"X-Part-{number}", 1) for number in range(120)], "X-Part-90"),
    "custom attributes": ([(CUSTOM_ATTRIBUTES.lower(), 1025)], CUSTOM_ATTRIBUTES),
}


def serving(folder: Path, front: str, name: str, source: str, **variables: str) -> Iterator[Server]:
    """Yield a server over a program, which is ready."""
    (folder / "ml/model/code").mkdir(parents=True)
    (folder / f"ml/model/code/{name}.py").write_text(source.replace("RUNS", str(folder / "ml/model/runs")))
    with Server(folder, APPLICATION, SAGEMAKER_USE_NGINX=front, **variables) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def handler(tmp_path_factory: pytest.TempPathFactory, front: str) -> Iterator[Server]:
    """Yield a server whose handler answers with the headers that it is asked for."""
    yield from serving(tmp_path_factory.mktemp("handler"), front, "inference", HANDLER)


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, front: str) -> Iterator[Server]:
    """Yield a server whose application does."""
    folder = tmp_path_factory.mktemp("guest")
    yield from serving(folder, front, "guest", GUEST, SAGEMAKER_SERVING_MODULE="guest:app")


def ask(server: Server, headers: list[tuple[str, int]]) -> tuple[Answer, int]:
    """Ask for headers of some sizes; returns the response, and how many times the request has run."""
    runs = server.log.parent / "ml/model/runs"
    runs.unlink(missing_ok=True)
    answer = server.request("POST", "/invocations", json.dumps(headers).encode())
    return answer, len(runs.read_text().splitlines())


@pytest.mark.parametrize("headers", FITS.values(), ids=FITS)
def test_what_fits_is_sent(handler: Server, guest: Server, headers: list[tuple[str, int]]) -> None:
    """Up to the limits every header arrives, from a handler and from an application; nothing runs twice."""
    for server in (handler, guest):
        answer, runs = ask(server, headers)
        assert (answer.status, runs) == (200, 1), answer.body
        assert {name: len(answer.headers[name]) for name, _ in headers} == dict(headers)


@pytest.mark.parametrize(("headers", "named"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_what_does_not_fit_is_an_error_that_names_it(
    handler: Server, guest: Server, headers: list[tuple[str, int]], named: str
) -> None:
    """Beyond the limits it is a 500 that names a header, also in the log, and nothing runs twice."""
    for server in (handler, guest):
        answer, runs = ask(server, headers)
        assert (answer.status, runs) == (500, 1), answer.body
        assert answer.error["code"] == "response_headers_too_large"
        assert named in answer.error["message"]
        assert f"request {answer.error['request_id']}: {answer.error['message']}" in server.text


def test_limit_of_a_request_is_the_same(handler: Server) -> None:
    """A header up to the limit is read; beyond it, and for too many or too much, it is our 431."""
    line = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
    largest = b"X-Large: ".ljust(MAX_HEADER_BYTES, b"v") + b"\r\n"
    (answer,) = exchange(handler.port, line + largest + b"\r\n[]")
    assert answer.status == 200, answer.body
    refused = {
        "one byte": b"X-Large: ".ljust(MAX_HEADER_BYTES + 3, b"v") + b"\r\n",
        "64 kB": b"X-Large: ".ljust(65536, b"v") + b"\r\n",
        "all together": largest * (MAX_HEAD_BYTES // MAX_HEADER_BYTES + 1),
        "too many": b"".join(b"X-%d: v\r\n" % number for number in range(120)),
    }
    for name, headers in refused.items():
        (answer,) = exchange(handler.port, line + headers + b"\r\n[]")
        assert (name, answer.status) == (name, 431), answer.body
        assert answer.error["code"] == "headers_too_large"
        assert answer.error["request_id"] == answer.headers["X-Request-Id"]
        assert answer.error["message"] == TOO_LARGE_REQUEST


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nX-Large: " + b"v" * 60_000 + b"\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nX Y: 1\r\n\r\n\x00",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nX-Cut: of",
    ],
    ids=["head too large", "bad header", "status line cut", "header cut"],
)
def test_what_nginx_refuses_is_no_death(tmp_path: Path, response: bytes) -> None:
    """A response that nginx does not pass on has been made: it is not asked for again, nor called a death."""
    require_nginx()
    (tmp_path / "raw.py").write_text(RAW)
    with Server(tmp_path, "raw:application", PYTHONPATH=str(tmp_path)) as server:
        (tmp_path / "response").write_bytes(response)
        answer = server.wait_ready().invoke(f"{tmp_path}/response {tmp_path}/runs")
        assert (answer.status, answer.error["code"]) == (502, "invalid_response")
        assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_every_error_is_short(size: int) -> None:
    """A name of any length is cut in the message."""
    headers: list[Any] = [("X" * (9000 + size), "v")]
    with pytest.raises(ResponseHeaderError) as raised:
        check_sizes(headers)
    assert len(raised.value.message) < 300
