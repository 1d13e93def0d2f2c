"""A load generator for one machine: kept-alive connections, each sending one prepared request after another.

`drive` keeps its connections busy; `drive_at` sends at a fixed rate, and counts a request's wait from
the moment at which it was due, so that a server that stalls cannot hide it. The generator costs CPU
itself, so rates are given per CPU second of the server's own processes.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

Address = tuple[str, int]
_TIMEOUT = 60.0
"""Seconds without any answer after which a server counts as hung."""
_TRIES = 3
_COARSE = 0.01
"""Seconds below which epoll's milliseconds are too coarse to wait by."""


@dataclass
class Result:
    """What one run of load showed."""

    requests: int = 0
    failed: int = 0
    """Those of them with a status other than 200."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """What the meter advanced by."""
    latencies: list[float] = field(repr=False, default_factory=list)
    """Seconds from sending, or from when sending was due, to the whole answer; sorted."""

    def percentile(self, share: float) -> float:
        """Return the latency in seconds that `share` of the requests did not exceed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]

    def add(self, exchange: Exchange, seconds: float) -> None:
        """Count an answer."""
        self.requests += 1
        self.failed += not exchange.ok
        self.latencies.append(seconds)


def prepare(
    path: str,
    body: bytes,
    content_type: str,
    accept: str = "",
    *,
    method: str = "POST",
    headers: Iterable[str] = (),
) -> bytes:
    """Return the bytes of a request; `headers` are more lines of it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", *headers]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    if accept:
        lines.append(f"Accept: {accept}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(
    address: Address,
    request: bytes,
    *,
    clients: int,
    seconds: float,
    warm: float = 0.0,
    meter: Callable[[], float] = lambda: 0.0,
) -> Result:
    """Keep `clients` connections busy for a time; what ends in the first `warm` seconds does not count.

    The meter is read under load at both ends, so what it shows belongs to the requests that are counted.
    """
    result = Result()
    with _Crowd(address, clients) as crowd:
        for exchange in list(crowd.exchanges.values()):
            exchange.send(request)
        start, meter_start, counting = time.perf_counter() + warm, 0.0, False
        while (now := time.perf_counter()) < start + seconds or not result.requests:
            if not counting and now >= start:
                counting, meter_start = True, meter()
                start = time.perf_counter()  # reading the meter takes time
            for exchange in crowd.answered(start + (seconds if counting else 0) - now):
                if counting:
                    result.add(exchange, exchange.ended - exchange.began)
                exchange.send(request)
        result.seconds = time.perf_counter() - start
        result.cpu_seconds = meter() - meter_start
    result.latencies.sort()
    return result


def drive_at(address: Address, request: bytes, *, rate: float, seconds: float, clients: int = 64) -> Result:
    """Send `rate` requests a second, evenly, over at most `clients` connections."""
    result = Result()
    total = max(1, int(rate * seconds))
    with _Crowd(address, clients) as crowd:
        idle = deque(crowd.exchanges.values())
        began = time.perf_counter()
        sent = 0
        while result.requests < total:
            while sent < total and idle and began + sent / rate <= time.perf_counter():
                exchange = idle.popleft()
                exchange.send(request)
                exchange.began = began + sent / rate
                sent += 1
            due = began + sent / rate - time.perf_counter() if sent < total and idle else _TIMEOUT
            for exchange in crowd.answered(max(0.0, due)):
                result.add(exchange, exchange.ended - exchange.began)
                idle.append(exchange)
        result.seconds = time.perf_counter() - began
    result.latencies.sort()
    return result


def ask(address: Address, request: bytes) -> tuple[bool, bytes]:
    """Send one request over a connection of its own; returns whether it was answered 200, and the body."""
    exchange = Exchange(address)
    try:
        exchange.send(request)
        while not exchange.receive():
            pass
        return exchange.ok, exchange.body
    finally:
        exchange.socket.close()


class _Crowd:
    """Connections that are waited for together."""

    def __init__(self, address: Address, clients: int) -> None:
        self.poll = select.epoll()
        self.exchanges: dict[int, Exchange] = {}
        for _ in range(clients):
            Exchange(address, self)

    def __enter__(self) -> _Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for exchange in self.exchanges.values():
            exchange.socket.close()
        self.poll.close()

    def answered(self, seconds: float) -> Iterator[Exchange]:
        """Wait so long at most, or for an answer where that is nothing; yield those that are whole."""
        wait = seconds if seconds >= 0 else _TIMEOUT
        if wait < _COARSE:
            select.select([self.poll], [], [], wait)  # counts in microseconds
            wait = 0
        events = self.poll.poll(wait)
        if not events and wait >= _TIMEOUT:
            raise TimeoutError(f"no answer for {wait:.0f} s")
        for number, _ in events:
            exchange = self.exchanges[number]
            if exchange.receive():
                yield exchange


class Exchange:
    """One connection and the answer that it is reading; connects again where the server closes."""

    def __init__(self, address: Address, crowd: _Crowd | None = None) -> None:
        self.ok = False
        self.body = b""
        self.began = self.ended = 0.0
        self._address = address
        self._crowd = crowd
        self._request = b""
        self._chunks: list[bytes] = []
        self._missing: int | None = None
        self._closes = False
        self._waits = False
        self._tries = 0
        self.socket = self._connect()
        self._watch()

    def send(self, request: bytes) -> None:
        """Send a request."""
        if self._closes:
            self._reconnect()
        self._request = request
        self._chunks, self._missing, self._waits, self._tries = [], None, True, 1
        self.began = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has arrived; returns whether the answer is whole."""
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self._go_on()
            return False
        self._chunks.append(data)
        if self._missing is None:
            return self._read_head()
        self._missing -= len(data)
        return self._finish() if self._missing == 0 else False

    def _go_on(self) -> None:
        """Connect again: the server closed an idle connection, or did so just when the request left."""
        if self._waits and (self._chunks or self._tries == _TRIES):
            raise ConnectionError("the server closes the connection without a whole answer")
        self._reconnect()
        if self._waits:
            self._tries += 1
            self.socket.sendall(self._request)

    def _read_head(self) -> bool:
        whole = b"".join(self._chunks)
        head, separator, rest = whole.partition(b"\r\n\r\n")
        if not separator:
            return False
        self.ok = head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
        lower = head.lower()
        self._closes = b"\r\nconnection: close" in lower or head.startswith(b"HTTP/1.0")
        _, found, after = lower.partition(b"\r\ncontent-length:")
        if not found:  # chunked: the end is looked for each time, which is dear, but such answers are small
            return self._finish() if rest.endswith(b"0\r\n\r\n") else False
        self._missing = int(after.partition(b"\r\n")[0]) - len(rest)
        return self._finish() if self._missing == 0 else False

    def _finish(self) -> bool:
        self.ended = time.perf_counter()
        self._waits = False
        self.body = b"".join(self._chunks).partition(b"\r\n\r\n")[2]
        return True

    def _connect(self) -> socket.socket:
        client = socket.create_connection(self._address, timeout=_TIMEOUT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def _reconnect(self) -> None:
        self._unwatch()
        self.socket.close()
        self.socket = self._connect()
        self._closes = False
        self._watch()

    def _watch(self) -> None:
        if self._crowd:
            self._crowd.poll.register(self.socket, select.EPOLLIN)
            self._crowd.exchanges[self.socket.fileno()] = self

    def _unwatch(self) -> None:
        if self._crowd:
            self._crowd.poll.unregister(self.socket)
            del self._crowd.exchanges[self.socket.fileno()]
