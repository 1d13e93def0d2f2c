"""Clients that never pause, a prober of /ping, and the one line of figures that each fault leaves."""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.serve.running import Server, children_of
from tests.support import is_alive, wait_until

LONG = os.environ.get("MLBERTH_LONG") == "1"
FAULTY = "faulty:application"
PATIENCE = 30.0
KEPT_FILES = 3
"""A kept connection's descriptors, in nginx, the worker and its master; there may be one for each client."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Client:
    """One connection at a time, and no more of HTTP than our answers need: the server gets the time."""

    def __init__(self, port: int, *, keep: bool = True) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._keep = keep

    def ask(self, body: str) -> tuple[int, str]:
        """Send one prediction request; returns status and body. Raises OSError, also for no answer."""
        data = body.encode()
        close = b"" if self._keep else b"Connection: close\r\n"
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n" % (close, len(data))
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(head + data)
            return self._read(self._socket)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _read(self, connection: socket.socket) -> tuple[int, str]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += _some(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        assert found, head
        while len(body) < int(found[1]):
            body += _some(connection)
        if not self._keep or b"\r\nConnection: close" in head:
            self.close()
        return int(head[9:12]), body.decode()


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise http.client.RemoteDisconnected("closed without a whole answer")
    return data


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
    times: list[float] = field(default_factory=list)
    """How long each answer of 200 took."""
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
            thread.join(2 * PATIENCE)

    def _run(self, number: int) -> None:
        client = Client(self.server.port, keep=self.keep)
        unread = ConnectionRefusedError if self.keep else ConnectionError
        asked = 0
        while not self.ended.is_set():
            asked += 1
            body = f"{self.command} {number} {asked}"
            began = time.monotonic()
            try:
                status, text = client.ask(body)
            except OSError as error:
                if isinstance(error, unread) and not isinstance(error, http.client.RemoteDisconnected):
                    if self.ended.wait(0.01):
                        break
                    continue
                status, text = 0, repr(error)
            self._note(status, text, body, time.monotonic() - began)
            if status == 503 and self.ended.wait(self.backoff):
                break
        client.close()

    def _note(self, status: int, text: str, body: str, seconds: float) -> None:
        with self._lock:
            if status == 503 and self.backoff:
                self.refused.append(seconds)
            elif status == 200 and text == body:
                self.count += 1
                self.times.append(seconds)
            else:
                self.failures.append(f"{status} {text[:200]}")


class Pings:
    """Asks /ping all the time; its figures are in seconds."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.times: list[float] = []
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
        self._thread.join(PATIENCE)

    @property
    def slowest(self) -> float:
        """The longest that an answer took."""
        return max(self.times, default=0.0)

    @property
    def judged(self) -> float:
        """The time that the bar is for: a short form may run on a machine that has other work."""
        return self.slowest if LONG else quantile(self.times, 0.9)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            began = time.monotonic()
            self.statuses.add(self._server.ping())
            self.times.append(time.monotonic() - began)


def quantile(times: Sequence[float], share: float) -> float:
    """Return the time that this share of all stays within; 0 of nothing."""
    return sorted(times)[max(0, math.ceil(len(times) * share) - 1)] if times else 0.0


def report(
    fault: str,
    *,
    n: int,
    failed: int,
    recovery: float | None = None,
    pings: Pings | None = None,
    **figures: float | str,
) -> None:
    """Print one fault's figures as a line of JSON; times are given in seconds and told in milliseconds."""
    line: dict[str, object] = {"fault": fault, "n": n, "failed": failed}
    line["recovery_ms"] = None if recovery is None else round(recovery * 1000)
    line["ping_max_ms"] = round(pings.slowest * 1000) if pings else None
    line |= {name: value if isinstance(value, str) else round(value, 3) for name, value in figures.items()}
    sys.stdout.write(f"\n{json.dumps(line)}\n")


def reason_of(failure: str) -> str:
    """Return a failure file in a line: the fault without what to do, or how the program ended and where."""
    lines = failure.strip().splitlines()
    where = [line.rstrip(".") for line in lines[1:] if "(rank " in line]
    fault, _, action = (lines or [""])[0].partition("; expected")
    return fault if action else ", ".join([fault, *where])


def unnoticed(
    fault: str, load: Load, pings: Pings | None = None, *, recovery: float | None = None, **figures: float
) -> None:
    """Print a fault's figures as `report` does; every request must have been answered, and every ping 200."""
    failed = len(load.failures)
    report(fault, n=load.count, failed=failed, recovery=recovery, pings=pings, **figures)
    assert load.failures == [], load.failures[:3]
    assert pings is None or pings.statuses == {200}


def workers(server: Server) -> list[int]:
    """Return the process ids of the workers that live."""
    return [pid for pid in children_of(server.children()["gunicorn"]) if is_alive(pid)]


def processes(server: Server) -> list[int]:
    """Return the process ids of the whole server: the supervisor, the masters and their workers."""
    children = list(server.children().values())
    return [server.process.pid, *children, *(pid for child in children for pid in children_of(child))]


def wait_for_answers(load: Load, more: int) -> None:
    """Wait until the clients have got so many more answers."""
    goal = load.count + more
    wait_until(lambda: load.count >= goal or bool(load.failures), timeout=60 + more / 100)


def open_files(pids: Sequence[int]) -> int:
    """Return how many descriptors processes have open together."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def busy_seconds(pids: Sequence[int]) -> float:
    """Return how much of a CPU's time processes have used together."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(field[11]) + int(field[12]) for field in fields) / os.sysconf("SC_CLK_TCK")
