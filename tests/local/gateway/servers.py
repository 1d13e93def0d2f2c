"""Containers of tests: small real HTTP servers that answer as a test says, and keep what they were sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """A request as it came to a container."""

    path: str
    headers: dict[str, str]
    body: bytes
    client: Any
    method: str = "POST"


@dataclass
class Said:
    """What a container answers."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Behaviour = Callable[[Received], Said]


@dataclass
class Container:
    """A server that runs."""

    port: int
    received: list[Received] = field(default_factory=list)
    behaviour: Behaviour = field(default=lambda request: Said(request.body))
    ping: int = 200
    """The status of the answer to /ping."""
    closed: int = 0
    """How many connections it has closed."""


@contextmanager
def container(behaviour: Behaviour | None = None, *, close_after: bool = False) -> Iterator[Container]:
    """Run a server; with `close_after`, it closes a connection after its answer without saying so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = dict(self.headers.items())
            request = Received(self.path, headers, body, self.client_address, self.command)
            found.received.append(request)
            said = found.behaviour(request)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)
            if close_after:
                self.close_connection = True

        do_DELETE = do_POST  # noqa: N815 - as the base has it

        def do_GET(self) -> None:
            if self.path != "/ping":
                self.do_POST()
                return
            self.send_response(found.ping)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            found.closed += 1

    server = Server(("127.0.0.1", 0), Handler)
    found = Container(server.server_address[1])
    if behaviour is not None:
        found.behaviour = behaviour
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
