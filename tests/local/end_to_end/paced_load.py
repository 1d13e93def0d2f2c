"""Requests to an endpoint at a rate that can be changed, however long the answers take."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

_THREADS = 16


@dataclass(frozen=True)
class Answer:
    """One request: when it was due, in seconds since the start, how long it took, and what went wrong."""

    due: float
    seconds: float
    failure: str


class PacedLoad:
    """Sends requests while it is open. Connections are kept, one a thread."""

    def __init__(self, port: int, endpoint: str, rate: float) -> None:
        self.rate = rate
        """Requests a second."""
        self.answers: list[Answer] = []
        self._port = port
        self._path = f"/endpoints/{endpoint}/invocations"
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._local = threading.local()
        self._connections: list[HTTPConnection] = []
        self._pool = ThreadPoolExecutor(_THREADS)
        self._pacing = threading.Thread(target=self._pace)

    def __enter__(self) -> PacedLoad:
        self._pacing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pacing.join()
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def failures(self) -> list[str]:
        """What went wrong, of each request that failed."""
        return [answer.failure for answer in self.answers if answer.failure]

    def _pace(self) -> None:
        due = self.elapsed
        while not self._stop.wait(max(0.0, due - self.elapsed)):
            self._pool.submit(self._send, due)
            due += 1 / self.rate

    def _send(self, due: float) -> None:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
            self._connections.append(connection)
        failure = ""
        try:
            connection.request("POST", self._path, "1", {"Content-Type": "text/csv"})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                failure = f"{response.status} {body[:200]!r}"
        except (OSError, HTTPException) as error:
            failure = f"{type(error).__name__}: {error}"
            connection.close()
        self.answers.append(Answer(due, self.elapsed - due, failure))
