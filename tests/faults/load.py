"""Clients that never pause, a prober of /ping, and the one line of figures that each fault leaves."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from tests.serve.running import Server, children_of
from tests.support import is_alive, wait_until

LONG = os.environ.get("MLBERTH_LONG") == "1"
FAULTY = "faulty:application"


@dataclass
class Load:
    """Closed-loop clients; every answer must be its request's own body."""

    server: Server
    clients: int = 4
    command: str = "nonce"
    """What each request asks for; its own number follows."""
    keep: bool = True
    """Whether a client keeps its connection; without, a reset is a request that nobody has read."""
    backoff: float = 0.0
    """How long a client waits after a 503, in seconds."""
    count: int = 0
    refused: list[float] = field(default_factory=list)
    """How long each 503 took."""
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        unread = ConnectionRefusedError if self.keep else ConnectionError
        headers = {} if self.keep else {"Connection": "close"}
        number = 0
        while not self.ended.is_set():
            number += 1
            body = f"{self.command} {client} {number}"
            began = time.monotonic()
            try:
                connection.request("POST", "/invocations", body.encode(), headers)
                response = connection.getresponse()
                status, text = response.status, response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if isinstance(error, unread) and not isinstance(error, http.client.RemoteDisconnected):
                    if self.ended.wait(0.01):
                        break
                    continue
                status, text = 0, repr(error)
            with self._lock:
                if status == 503 and self.backoff:
                    self.refused.append(time.monotonic() - began)
                elif status == 200 and text == body:
                    self.count += 1
                else:
                    self.failures.append(f"{status} {text[:200]}")
            if status == 503 and self.ended.wait(self.backoff):
                break
        connection.close()


class Pings:
    """Asks /ping all the time; `slowest` is in seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.slowest = 0.0
        self.statuses: set[int] = set()

    def __enter__(self) -> Pings:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            began = time.monotonic()
            self.statuses.add(self._server.ping())
            self.slowest = max(self.slowest, time.monotonic() - began)


def report(fault: str, *, n: int, failed: int, recovery: float = 0.0, ping_max: float = 0.0) -> None:
    """Print one fault's figures as a line of JSON."""
    figures = {"fault": fault, "n": n, "failed": failed}
    times = {"recovery_ms": round(recovery * 1000), "ping_max_ms": round(ping_max * 1000)}
    sys.stdout.write(json.dumps({**figures, **times}) + "\n")


def workers(server: Server) -> list[int]:
    """Return the process ids of the workers that live."""
    return [pid for pid in children_of(server.children()["gunicorn"]) if is_alive(pid)]


def wait_for_answers(load: Load, more: int) -> None:
    """Wait until the clients have got so many more answers."""
    goal = load.count + more
    wait_until(lambda: load.count >= goal or bool(load.failures), timeout=60)
