"""How long production's requests take beside a shadow that does not answer, is not there, or is slow.

All ways lead through one gateway to one container, in turn, so that they differ by their shadow alone.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench.data import ONE_CSV, cases, train
from bench.endpoints.measured import Pace
from bench.gateway import KEY, SECRET, endpoint
from bench.load import Address, Result, drive_at, prepare
from bench.ours import NAME, make
from bench.server import HOST, Place, running
from tests.support import free_port

from mlberth_local.gateway.client import Callbacks, GatewayClient
from mlberth_local.gateway.table import Endpoint, Fleet, Instance, Table, Variant

NONE, DEAD, HUNG, SLOW = (
    "no shadow",
    "a shadow that is dead",
    "a shadow that hangs",
    "a shadow 100 times slower",
)
_SLOWER = 100
_FOREVER = 3600.0
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\n1"


def measure(folder: Path, pace: Pace, rounds: int) -> dict[str, Any]:
    """Return the medians of the rounds for each kind of shadow; times are milliseconds."""
    case = cases()[ONE_CSV]
    train(folder / "model")
    place = Place(folder / "serve", folder / "model", Path(sys.executable), (free_port(),))
    with ExitStack() as stack:
        container = stack.enter_context(running(make(NAME), place))
        alone = drive_at(container.address, container.request(case), rate=pace.rate, seconds=pace.seconds)
        ports = {
            DEAD: free_port(),
            HUNG: stack.enter_context(_stand_in(_FOREVER)),
            SLOW: stack.enter_context(_stand_in(_SLOWER * alone.percentile(0.5))),
        }
        table = [endpoint("none", container.address[1])]
        table += [_copied(f"e{port}", container.address[1], port) for port in ports.values()]
        address = stack.enter_context(_gateway(folder / "gateway", Table(tuple(table))))
        requests = {
            kind: prepare(f"/endpoints/{name}/invocations", case.body, case.content_type)
            for kind, name in {NONE: "none", **{kind: f"e{port}" for kind, port in ports.items()}}.items()
        }
        found: dict[str, list[Result]] = {kind: [] for kind in requests}
        for number in range(rounds + 1):
            # Each comes first in turn, and the first round warms everything up.
            order = [*requests][number % len(requests) :] + [*requests][: number % len(requests)]
            for kind in order:
                result = drive_at(address, requests[kind], rate=pace.rate, seconds=pace.seconds)
                found[kind] += [result] if number else []
    return {
        kind: {
            "requests": sum(one.requests for one in results),
            "failed": sum(one.failed for one in results),
            "p50_ms": median(one.percentile(0.5) for one in results) * 1000,
            "p99_ms": median(one.percentile(0.99) for one in results) * 1000,
        }
        for kind, results in found.items()
    }


def _copied(name: str, production: int, shadow: int) -> Endpoint:
    """Return an endpoint whose shadow, at a port, gets a copy of every request."""
    plain = endpoint(name, production)
    fleet = Fleet("config", (Instance(f"i-{name}-shadow", (shadow,)),))
    return Endpoint(name, plain.log_group_arn, plain.variants, (Variant("shadow", 1.0, (fleet,)),))


@contextmanager
def _gateway(folder: Path, table: Table) -> Iterator[Address]:
    """Run the gateway with a table; gives its address."""
    folder.mkdir()
    keys = folder / "keys.json"
    keys.write_text(json.dumps({KEY: SECRET}))
    with socket.create_server((HOST, 0), backlog=1024) as listening:
        client = GatewayClient(folder, [listening], keys=keys, environ=os.environ)
        client.begin(Callbacks(lambda *_: None, lambda _: None, lambda _: None))
        client.apply(table)
        try:
            yield listening.getsockname()
        finally:
            client.stop(1)


@contextmanager
def _stand_in(delay: float) -> Iterator[int]:
    """Run a server that answers after a time; gives its port."""
    with socket.create_server((HOST, 0)) as listening:
        process = multiprocessing.get_context("fork").Process(
            target=lambda: asyncio.run(_serve(listening, delay)), daemon=True
        )
        process.start()
        try:
            yield listening.getsockname()[1]
        finally:
            process.kill()
            process.join()


async def _serve(listening: socket.socket, delay: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or b"0"))
                if not head.startswith(b"GET "):  # it passes its health checks, or it would get nothing
                    await asyncio.sleep(delay)
                writer.write(_ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, sock=listening)
    await server.serve_forever()
