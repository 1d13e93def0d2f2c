"""A platform's API in this process with a gateway of its own, and tables for it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.local.conftest import SECRET, Clock, Front

from mlberth_local.api.server import ApiServer
from mlberth_local.gateway.client import Callbacks, GatewayClient
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.metric_points import points
from mlberth_local.gateway.table import Endpoint, Fleet, Instance, Table, Variant
from mlberth_local.platform import Platform, Settings
from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics
from mlberth_local.store.resources import Resources

Fetch = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True)
class GatewayPlatform(Front):
    """The platform, its gateway, and what the tests tell it."""

    gateway: GatewayClient

    @property
    def pid(self) -> int:
        """The gateway's process."""
        found = Places(self.platform.home / "gateway").pid()
        assert found is not None
        return found

    def serve(self, *endpoints: Endpoint) -> None:
        """Route to these endpoints alone."""
        self.gateway.apply(Table(endpoints))

    @property
    def runtime(self) -> Any:
        """Return a client of the runtime."""
        return self.client("sagemaker-runtime")


def instance(*ports: int, name: str = "i-0") -> Instance:
    """Return an instance."""
    return Instance(name, ports)


def variant(*instances: Instance, name: str = "AllTraffic", weight: float = 1.0, **more: Any) -> Variant:
    """Return a variant with one fleet."""
    return Variant(name, weight, (Fleet("config", instances),), **more)


def endpoint(*variants: Variant, name: str = "e", **more: Any) -> Endpoint:
    """Return an endpoint."""
    arn = f"arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/{name}"
    return Endpoint(name, arn, variants, **more)


def one_port(port: int, **more: Any) -> Endpoint:
    """Return an endpoint with one instance of one container."""
    return endpoint(variant(instance(port)), **more)


@contextmanager
def gateway_platform(
    home: Path, limits: Limits | None = None, fetch: Fetch = lambda _: None, **more: Any
) -> Iterator[GatewayPlatform]:
    """Run the API and, as soon as there is an endpoint, its gateway; `fetch` brings models.

    `more` are the arguments of the gateway's client.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    keys = {"CHECKED": SECRET}
    keys_file = home / "keys.json"
    keys_file.write_text(json.dumps(keys))
    settings = Settings(port=listening.getsockname()[1], keys=keys)
    database = Database(home / "mlberth.sqlite")
    metrics = Metrics(database)
    gateway = GatewayClient(home / "gateway", [listening], keys=keys_file, environ={}, limits=limits, **more)
    clock = Clock()
    jobs = SimpleNamespace(context=SimpleNamespace(resources=Resources(database)))
    platform = Platform(home, settings, clock, metrics=metrics, jobs=jobs, gateway=gateway)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = ApiServer(platform)
    asyncio.run_coroutine_threadsafe(server.start([listening]), loop).result(10)
    callbacks = Callbacks(
        server.adopt, lambda report: metrics.put(points(report)), server.accept, fetch=fetch
    )
    gateway.begin(callbacks)
    try:
        yield GatewayPlatform(platform, clock, [], gateway)
    finally:
        gateway.stop(1)
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        listening.close()
        database.close()
