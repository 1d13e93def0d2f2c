"""The health check of an image."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serve.raw import answering_once

from mlberth.errors import ContractError
from mlberth_serve.control.healthcheck import health, ping


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
    with answering_once(answer) as port:
        assert ping("127.0.0.1", port) == expected


def test_nobody_listening_is_not_ready() -> None:
    """A server that is not there is not ready, and the address is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ready, said = ping("127.0.0.1", port)
    assert not ready
    assert f"nobody serves on 127.0.0.1:{port}" in said


def test_silent_server_is_not_ready() -> None:
    """A server that accepts and says nothing is not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready, said = ping("127.0.0.1", listener.getsockname()[1], timeout=0.1)
    assert not ready
    assert "timed out" in said


def test_server_is_asked_at_its_port() -> None:
    """The port is SAGEMAKER_BIND_TO_PORT, at an address of the container itself."""
    with answering_once(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        assert health({"SAGEMAKER_BIND_TO_PORT": str(port)}) == (True, "HTTP/1.1 200 OK")


def test_command_fails_with_the_reason_if_nobody_serves() -> None:
    """Exit code 1, whatever the first process of the machine or container is."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    argv = [str(Path(sys.executable).with_name("mlberth")), "health"]
    environ = {"PATH": "/usr/bin:/bin", "SAGEMAKER_BIND_TO_PORT": port}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stdout == f"nobody serves on 127.0.0.1:{port}: the connection was refused\n"


def test_faulty_port_is_named() -> None:
    """A port that is none is the same contract error that `serve` gives."""
    with pytest.raises(ContractError, match="SAGEMAKER_BIND_TO_PORT"):
        health({"SAGEMAKER_BIND_TO_PORT": "web"})
