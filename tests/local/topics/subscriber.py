"""An HTTP server that subscribes: it keeps what it gets, and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Subscriber:
    """One server on a free port."""

    port: int
    answers: list[int] = field(default_factory=list)
    """The statuses of the next answers; then each is 200."""
    requests: list[tuple[dict[str, str], str]] = field(default_factory=list)
    """Headers and body of each request."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/hook?a=b"

    def documents(self, kind: str) -> list[dict[str, Any]]:
        """Return the documents of a type that came."""
        found = [body for headers, body in self.requests if headers["x-amz-sns-message-type"] == kind]
        return [json.loads(body) for body in found]


@contextmanager
def subscriber() -> Iterator[Subscriber]:
    """Run one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            one.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(one.answers.pop(0) if one.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one = Subscriber(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield one
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
