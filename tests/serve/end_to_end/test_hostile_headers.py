"""What clients and handlers put into headers and bodies, through the whole server."""

from __future__ import annotations

import http.client
import runpy
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.running import PROJECTS, Server

APPLICATION = "mlberth_serve.wsgi:application"
OUTPUTS = list(runpy.run_path(str(PROJECTS / "outputs/code/inference.py"))["OUTPUTS"])


def serve_project(folder: Path, project: str, front: str) -> Iterator[Server]:
    """Run a server over a project."""
    shutil.copytree(PROJECTS / project, folder / "ml/model")
    variables = {"SAGEMAKER_USE_NGINX": front, "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with Server(folder, APPLICATION, **variables) as server:
        yield server.wait_ready()


@pytest.fixture(scope="module")
def echo(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a handler that answers with the custom attributes of the request."""
    yield from serve_project(tmp_path_factory.mktemp("echo"), "echo_attributes", front)


@pytest.fixture(scope="module")
def outputs(front: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a handler that returns what the body names."""
    yield from serve_project(tmp_path_factory.mktemp("outputs"), "outputs", front)


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        (b"a" * 1024, 200),
        (b"a%0d%0aX-Evil: 1", 200),
        (b"a" * 1025, 400),
        (b"a\rX-Evil: 1", 400),
        (b"a\nX-Evil: 1", None),
        (b"a\r\nX-Evil: 1", None),
        (b"a\x00", 400),
        (b"\xc3\xa9", 400),
        (b"\xff", 400),
    ],
)
def test_custom_attributes_split_no_answer(echo: Server, attributes: bytes, status: int | None) -> None:
    """Attributes come back as they are, or are refused; a line end begins a header of the request (None)."""
    with socket.create_connection(("127.0.0.1", echo.port), timeout=10) as client:
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n"
        client.sendall(head + b"X-Amzn-SageMaker-Custom-Attributes: " + attributes + b"\r\n\r\n1")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.read()
    assert status in {answer.status, None}
    assert answer.status in {200, 400}
    assert "X-Evil" not in answer.headers
    if status == 200:
        assert answer.headers["X-Amzn-SageMaker-Custom-Attributes"] == attributes.decode()


def test_every_output_is_framed(outputs: Server) -> None:
    """After each output, whether sent or refused, the same connection serves the next request."""
    connection = http.client.HTTPConnection("127.0.0.1", outputs.port, timeout=20)
    for output in OUTPUTS:
        connection.request("POST", "/invocations", output, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in {200, 201, 202, 204, 500}, output
        assert "X-Evil" not in answer.headers
    connection.close()
    assert "Traceback" not in outputs.invoke("none", **{"Content-Type": "application/json"}).body.decode()


def test_standard_library_is_safe_from_user_files(tmp_path: Path, front: str) -> None:
    """A json.py beside the program breaks nothing of the server."""
    for server in serve_project(tmp_path, "with_helper", front):
        assert server.request("POST", "/invocations", b"[[1, 2]]").body == b"[4]"
        assert server.request("GET", "/execution-parameters").status == 200
        assert server.stop() == 0
