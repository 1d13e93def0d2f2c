"""A load generator for one machine: kept-alive connections, each sending one prepared request after another.

It costs little CPU, but not none, so rates are given per CPU second of the server's own processes.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """What one run of load showed."""

    requests: int
    failed: int
    seconds: float
    latencies: list[float] = field(repr=False, default_factory=list)
    """Seconds from sending to the whole answer, sorted."""

    def percentile(self, share: float) -> float:
        """Return the latency that `share` of the requests did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def prepare(path: str, body: bytes, content_type: str, accept: str) -> bytes:
    """Return the bytes of a POST request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {content_type}\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(address: tuple[str, int], request: bytes, *, clients: int, seconds: float) -> Result:
    """Keep `clients` connections busy for a time; an answer other than 200 counts as failed."""
    result = Result(0, 0, 0.0)
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            client = socket.create_connection(address)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, selectors.EVENT_READ, _Exchange(client, request))
        began = time.perf_counter()
        end = began + seconds
        for key in selector.get_map().values():
            key.data.send()
        while (now := time.perf_counter()) < end:
            for key, _ in selector.select(timeout=end - now):
                exchange: _Exchange = key.data
                if exchange.receive():
                    result.requests += 1
                    result.failed += not exchange.ok
                    result.latencies.append(exchange.seconds)
                    exchange.send()
        result.seconds = time.perf_counter() - began
        for key in list(selector.get_map().values()):
            key.data.client.close()
    result.latencies.sort()
    return result


class _Exchange:
    """One connection and the answer that it is reading."""

    def __init__(self, client: socket.socket, request: bytes) -> None:
        self.client = client
        self.request = request
        self.seconds = 0.0
        self.ok = False
        self._began = 0.0
        self._missing = -1
        self._head = b""

    def send(self) -> None:
        self._began = time.perf_counter()
        self._missing, self._head = -1, b""
        self.client.sendall(self.request)

    def receive(self) -> bool:
        """Read what has arrived; returns whether the answer is whole."""
        data = self.client.recv(1 << 20)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self._missing < 0:
            self._head += data
            head, separator, rest = self._head.partition(b"\r\n\r\n")
            if not separator:
                return False
            self.ok = head.startswith(b"HTTP/1.1 200")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(rest)
        else:
            self._missing -= len(data)
        self.seconds = time.perf_counter() - self._began
        return self._missing == 0


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process, its descendants and those that it has reaped have used."""
    total = 0
    for one in tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def pss_bytes(pid: int) -> int:
    """Return the memory of a process tree, shared pages counted by share."""
    total = 0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
