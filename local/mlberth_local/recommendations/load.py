"""The load generator: users who wait for each answer, or requests at a rate, sent to one server.

Its process reads a line of JSON for each stage from stdin and answers with one on stdout. It ends when stdin
does, so that a daemon that is killed leaves no load behind.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from mlberth_local.gateway.proxy.server_pool import (
    NoReplyError,
    NotTakenError,
    Reply,
    ServerConnection,
    ServerPool,
)

REQUEST_SECONDS = 60.0
"""As much as the platform gives a container."""
NO_ANSWER = "no answer"
"""How the reason of a request begins that the server has not answered at all."""
_OK = 200
_STEP = 1.005
"""Latencies are counted in steps of half a percent, rounded up, so that their number costs no memory."""
_SWEEP_SECONDS = 0.25
_PAUSE_SECONDS = 0.05
"""After a request that no server took: it may be there again a moment later."""
_LONGEST_TEXT = 300


class Tally:
    """The counts of one stage."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._sum = 0.0

    def note(self, seconds: float) -> None:
        """Count an answer."""
        self._steps[math.ceil(math.log(max(seconds, 1e-6), _STEP))] += 1
        self._sum += seconds

    def fail(self, text: str) -> None:
        """Count a request that was not answered with 200."""
        self._failures[text] += 1

    def percentile(self, part: float) -> float:
        """Return the latency in milliseconds that a part of the answers, 0 to 1, did not take longer than."""
        wanted = part * self._steps.total()
        for step in sorted(self._steps):
            wanted -= self._steps[step]
            if wanted <= 0:
                return 1000 * _STEP**step
        return 0.0

    def report(self, seconds: float) -> dict[str, Any]:
        """Return the counts of a stage that took so long, as `measurement.Window` has them."""
        answered = self._steps.total()
        return {
            "seconds": seconds,
            "answered": answered,
            "failures": dict(self._failures.most_common(3)),
            "p95": self.percentile(0.95),
            "p99": self.percentile(0.99),
            "mean": 1000 * self._sum / answered if answered else 0.0,
        }


class Load:
    """The requests to one port of this machine: each sample in turn."""

    def __init__(self, port: int, samples: list[tuple[bytes, bytes]]) -> None:
        """Send to a port; a sample is the head of a request and its body."""
        self._samples = samples
        self._busy: set[ServerConnection] = set()
        self._pool = ServerPool(port, self._busy)

    async def probe(self) -> dict[str, Any]:
        """Send each sample once; returns the first that is refused: its number and why, or nothing."""
        for number in range(len(self._samples)):
            if text := await self._send(number, Tally(), monotonic()):
                return {"number": number, "reason": text}
        return {}

    async def users(self, users: int, seconds: float) -> dict[str, Any]:
        """Let some users send for some time; requests on their way at the end are waited for."""
        tally, began = Tally(), monotonic()

        async def user(number: int) -> None:
            while monotonic() < began + seconds:
                await self._send(number, tally, monotonic())
                number += users

        await asyncio.gather(*(user(number) for number in range(users)))
        return {"users": users, **tally.report(monotonic() - began)}

    async def paced(self, rate: float, seconds: float, most: int, most_waiting: int) -> dict[str, Any]:
        """Send `rate` requests a second, however long answers take, `most` of them at a time.

        A latency counts from the moment at which the request was due, so that the time for which it had to
        wait for others is a part of it. If `most_waiting` are due and not answered, that is a failure, and
        the end: the server does not keep up with the rate.
        """
        tally, began, free = Tally(), monotonic(), asyncio.Semaphore(most)

        async def request(number: int, due: float) -> None:
            async with free:
                await self._send(number, tally, due)

        waiting: set[asyncio.Task[None]] = set()
        for number in range(max(1, int(rate * seconds))):
            due = began + number / rate
            if (wait := due - monotonic()) > 0:
                await asyncio.sleep(wait)
            if len(waiting) == most_waiting:
                tally.fail(f"{most_waiting} requests wait for an answer")
                seconds = number / rate
                break
            waiting.add(sent := asyncio.create_task(request(number, due)))
            sent.add_done_callback(waiting.discard)
        await asyncio.gather(*waiting)
        return {"users": most, **tally.report(max(seconds, monotonic() - began))}

    async def _send(self, number: int, tally: Tally, since: float) -> str:
        """Send a sample and count its answer; returns why it failed."""
        head, body = self._samples[number % len(self._samples)]
        try:
            reply = await self._pool.exchange(head, body, REQUEST_SECONDS)
        except (NotTakenError, NoReplyError) as error:
            tally.fail(text := f"{NO_ANSWER}: {error}")
            await asyncio.sleep(_PAUSE_SECONDS)
            return text
        if reply.status == _OK:
            tally.note(monotonic() - since)
            return ""
        text = _text_of(reply)
        tally.fail(text)
        return text

    async def sweep(self) -> None:
        """Give up requests that take too long, as long as the process lives."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = monotonic()
            for connection in [one for one in self._busy if one.deadline < now]:
                connection.expire()


def _text_of(reply: Reply) -> str:
    text = reply.body[:_LONGEST_TEXT].decode(errors="replace").strip()
    return f"{reply.status}: {text}" if text else str(reply.status)


def read_samples(spec: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Return head and body of each request. A spec has `port`, `accept`, and path and type of each sample."""
    found = []
    for path, content_type in spec["samples"]:
        body = Path(path).read_bytes()
        lines = [
            "POST /invocations HTTP/1.1",
            f"Host: 127.0.0.1:{spec['port']}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            *([f"Accept: {spec['accept']}"] if spec.get("accept") else []),
        ]
        found.append(("\r\n".join([*lines, "", ""]).encode("latin-1"), body))
    return found


async def serve(stdin: TextIO, stdout: TextIO, *, leave: Callable[[int], object] = os._exit) -> None:
    """Carry out the lines of stdin: first the spec, then stages; `leave` is called when it ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for line in stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        leave(0)

    threading.Thread(target=read, daemon=True).start()
    spec = json.loads(await lines.get())
    load = Load(spec["port"], read_samples(spec))
    sweeping = asyncio.create_task(load.sweep())
    ways: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
        "probe": load.probe,
        "users": load.users,
        "paced": load.paced,
    }
    while not sweeping.done():
        way, arguments = json.loads(await lines.get())
        stdout.write(json.dumps(await ways[way](*arguments)) + "\n")
        stdout.flush()


def main() -> None:
    """Run the load generator of `python -m mlberth_local.recommendations`."""
    asyncio.run(serve(sys.stdin, sys.stdout))
