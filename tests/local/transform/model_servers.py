"""A model server in this process, for tests of what is sent to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[bytes], tuple[int, bytes]]


class Server:
    """A model server that answers with a function, and counts what is in work at once."""

    def __init__(
        self,
        answer: Answer,
        parameters: bytes = b"{}",
        media_type: str = "application/octet-stream",
        *,
        keeps: bool = True,
    ) -> None:
        self.requests: list[tuple[bytes, dict[str, str]]] = []
        self.most = 0
        self._now = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._reply(200, parameters)

            def do_POST(self) -> None:
                with lock:
                    server._now += 1
                    server.most = max(server.most, server._now)
                body = self._read()
                if keeps:
                    server.requests.append((body, dict(self.headers)))
                status, result = answer(body)
                with lock:
                    server._now -= 1
                self._reply(status, result)

            def _read(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Let a client go away before it has its answer."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
