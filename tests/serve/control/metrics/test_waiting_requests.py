"""Requests that wait, counted at real sockets."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from mlberth_serve.control.metrics.waiting_requests import waiting_at_port, waiting_at_sockets


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_backlog_and_unread_requests_are_counted(tmp_path: Path, kind: str) -> None:
    """A connection that nobody has accepted counts, and so does one that has an unread request."""
    with contextlib.ExitStack() as stack:
        if kind == "unix":
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            other.bind(f"{tmp_path}-other.sock")
            listener.bind(f"{tmp_path}/1.sock")
        else:
            listener = stack.enter_context(socket.socket())
            other = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))

        def waiting() -> int | None:
            return (
                waiting_at_sockets(tmp_path) if kind == "unix" else waiting_at_port(listener.getsockname()[1])
            )

        def connect(to: socket.socket) -> socket.socket:
            client = stack.enter_context(socket.socket(to.family))
            client.connect(to.getsockname())
            return client

        for each in (listener, other):
            each.listen()
        assert waiting() == 0
        clients = [connect(listener) for _ in range(3)]
        connect(other)
        assert waiting() == 3
        accepted = [stack.enter_context(listener.accept()[0]) for _ in range(2)]
        assert waiting() == 1
        for client in clients[:2]:
            client.sendall(b"a request")
        assert waiting() == 3
        accepted[0].recv(64)
        assert waiting() == 2
        accepted[1].shutdown(socket.SHUT_RDWR)  # nginx is to send it again: it would count twice
        assert waiting() == 1


def test_kernel_that_does_not_tell(tmp_path: Path) -> None:
    """Nothing is told, rather than 0."""
    assert waiting_at_port(1, (str(tmp_path / "none"),)) is None
