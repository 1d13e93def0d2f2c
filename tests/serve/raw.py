"""Requests byte for byte, right or wrong, and whatever comes back."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Iterator

from tests.serve.running import Answer

PATIENCE = 10.0


def exchange(port: int, *pieces: bytes, patience: float = PATIENCE) -> list[Answer]:
    """Send bytes, piece by piece, and return every answer until the server closes.

    Where nothing comes for `patience` seconds, the sending direction is closed, upon which the server
    has to close as well.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                client.sendall(piece)
        client.settimeout(patience)
        with contextlib.suppress(ConnectionError):
            while data := _receive(client):
                received += data
    return split_answers(received)


def split_answers(data: bytes) -> list[Answer]:
    """Return the answers in what a server has sent; it must hold nothing else."""
    found = []
    while data:
        assert data.startswith(b"HTTP/1.1 "), data[:200]
        head, _, rest = data.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        status = int(line.split()[1])
        length = 0 if status < 200 else int(headers["Content-Length"])
        assert len(rest) >= length, data[:200]
        found.append(Answer(status, headers, rest[:length]))
        data = rest[length:]
    return found


def _receive(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except TimeoutError:
        client.settimeout(PATIENCE)
        client.shutdown(socket.SHUT_WR)
        return client.recv(65536)


@contextlib.contextmanager
def answering_once(answer: bytes) -> Iterator[int]:
    """Answer one connection with these bytes, whatever it asks, and close; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(PATIENCE)
