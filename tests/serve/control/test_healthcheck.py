"""The health check of an image."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlberth.errors import ContractError
from mlberth_serve.control.healthcheck import health, ping


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Answer one connection with these bytes; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


def first_process(folder: Path, *words: str) -> Path:
    """Write the command line of a container's first process."""
    path = folder / "cmdline"
    path.write_bytes(b"".join(word.encode() + b"\0" for word in words))
    return path


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", (True, "HTTP/1.1 200 OK")),
        (
            b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"status": "loading"}\n',
            (False, '{"status": "loading"}'),
        ),
        (b"", (False, "no answer")),
        (b"nonsense", (False, "nonsense")),
    ],
    ids=["ready", "not ready", "hung up", "not HTTP"],
)
def test_only_200_is_ready(answer: bytes, expected: tuple[bool, str]) -> None:
    """Anything but status 200 is not ready, and what the server said is told."""
    with answering(answer) as port:
        assert ping("127.0.0.1", port) == expected


def test_nobody_listening_is_not_ready() -> None:
    """A server that is not there is not ready, and the address is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ready, said = ping("127.0.0.1", port)
    assert not ready
    assert f"no answer at 127.0.0.1:{port}" in said


def test_silent_server_is_not_ready() -> None:
    """A server that accepts and says nothing is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready, said = ping("127.0.0.1", listener.getsockname()[1], timeout=0.1)
    assert not ready
    assert "timed out" in said


@pytest.mark.parametrize("words", [("mlberth", "run", "serve"), ("/opt/program/serve",)])
def test_serving_container_is_asked_at_its_port(words: tuple[str, ...], tmp_path: Path) -> None:
    """The port is SAGEMAKER_BIND_TO_PORT, at an address of the container itself."""
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        environ = {"SAGEMAKER_BIND_TO_PORT": str(port)}
        assert health(environ, first_process(tmp_path, *words)) == (True, "HTTP/1.1 200 OK")


def test_container_that_does_not_serve_is_healthy(tmp_path: Path) -> None:
    """A serve image that trains has no server to ask."""
    environ = {"SAGEMAKER_BIND_TO_PORT": "1"}
    assert health(environ, first_process(tmp_path, "mlberth", "run", "train")) == (True, "not serving")


def test_faulty_port_is_named(tmp_path: Path) -> None:
    """A port that is none is the same contract error that `serve` gives."""
    with pytest.raises(ContractError, match="SAGEMAKER_BIND_TO_PORT"):
        health({"SAGEMAKER_BIND_TO_PORT": "web"}, first_process(tmp_path, "serve"))
