"""Clients that send requests as fast as they are answered."""

from __future__ import annotations

import http.client
import threading

from tests.support import wait_until

CLIENTS = 4


class Load:
    """Clients that send one request after the other to an endpoint, each on a connection that it keeps."""

    def __init__(self, port: int, endpoint: str) -> None:
        self._port = port
        self._path = f"/endpoints/{endpoint}/invocations"
        self._stop = threading.Event()
        self.answered = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def more(self, count: int) -> None:
        """Wait until some more have been answered."""
        before = self.answered
        wait_until(lambda: self.answered >= before + count)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.is_set():
            try:
                connection.request("POST", self._path, b"1", {"Content-Type": "text/csv"})
                found = connection.getresponse()
                found.read()
                if found.status != 200:
                    self.failures.append(str(found.status))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            self.answered += 1
        connection.close()
