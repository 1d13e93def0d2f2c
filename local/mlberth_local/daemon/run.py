"""The daemon: takes the lock, binds, answers, and ends what runs when it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any

from mlberth.errors import ContractError, Fault, PortInUseError
from mlberth_local.api.server import ApiServer
from mlberth_local.daemon import certificate
from mlberth_local.daemon.home import Home, Running
from mlberth_local.daemon.parts import Parts, bridge_address, open_parts
from mlberth_local.daemon.start_flags import StartFlags
from mlberth_local.endpoints.model_fetches import ModelFetches
from mlberth_local.gateway.client import Callbacks, GatewayClient
from mlberth_local.gateway.control_socket import Places
from mlberth_local.gateway.limits import Limits, idle_seconds, models_bytes, ping_seconds
from mlberth_local.gateway.metric_points import points
from mlberth_local.gateway.takeover import listening_sockets
from mlberth_local.jobs.capacity import read_capacity
from mlberth_local.platform import Settings
from mlberth_local.recommendations.context import read_times
from mlberth_local.scaling.minute import minute_seconds

_LOG = logging.getLogger("mlberth.daemon")
STOP_SECONDS = 20.0
"""For the programs of jobs, from SIGTERM to SIGKILL, when the daemon ends."""
_DRAIN_SECONDS = 5.0
"""For the requests that endpoints are answering then."""


def run(home: Home, flags: StartFlags, environ: Mapping[str, str], ready: int | None) -> None:
    """Answer until SIGTERM or SIGINT, or the end of the lease. The caller has the home's lock.

    `ready` is a descriptor that is written to, and closed, when the API answers. Raises `PortInUseError`,
    or `ContractError` for variables that are not valid.
    """
    check_variables(environ)
    # Bound first: a port that is taken must change nothing.
    port, engine, region = flags.port, flags.engine, flags.region
    inherited = {one.getsockname(): one for one in listening_sockets(home.gateway)}
    sockets = listen(port, engine, environ, inherited)
    before = home.last_running()
    sts = _listen_near([before.sts_port if before else port + 1, port + 1], flags.stream_port)
    settings = Settings(port, engine, region, flags.s3_endpoint, keys=home.keys(), environ=environ)
    # Counts are gathered for no longer than the minute in which scaling reads them.
    limits = Limits(
        window_seconds=min(Limits.window_seconds, minute_seconds(environ)),
        idle_seconds=idle_seconds(environ),
        ping_seconds=ping_seconds(environ),
        models_bytes=models_bytes(environ),
    )
    gateway = GatewayClient(
        home.gateway,
        sockets,
        keys=home.keys_file,
        environ=environ,
        limits=limits,
        duplex=_duplex(home, flags.stream_port),
    )
    parts = open_parts(home, settings, gateway)
    running = Running(
        os.getpid(), port, sts.getsockname()[1], engine, region, flags.s3_endpoint, flags.stream_port
    )
    asyncio.run(_serve(home, parts, running, sockets=sockets, sts=sts, ready=ready, lease=flags.lease))
    parts.close(STOP_SECONDS)


def _duplex(home: Home, port: int) -> dict[str, Any]:
    """Return what the gateway is told of streams in both directions. Raises `PortInUseError`."""
    if not port:
        return {"port": 0}
    if Places(home.gateway).pid() is None:  # one that is there may have the port already
        _bound("127.0.0.1", port, "--stream-port").close()
    public, private = certificate.certificate(home.folder)
    return {"port": port, "certificate": str(public), "key": str(private)}


def check_variables(environ: Mapping[str, str]) -> None:
    """Raise `ContractError` with every variable of the platform that is not valid."""
    faults = []
    for read in (read_capacity, minute_seconds, idle_seconds, ping_seconds, models_bytes, read_times):
        try:
            read(environ)
        except ValueError as error:
            faults.append(Fault("environment", str(error), ""))
    if faults:
        raise ContractError(*faults)


def listen(
    port: int,
    engine: str,
    environ: Mapping[str, str],
    inherited: Mapping[tuple[str, int], socket.socket] = MappingProxyType({}),
) -> list[socket.socket]:
    """Bind 127.0.0.1, and the bridge's address if jobs run in containers; or take what was inherited.

    `inherited` are the sockets of a gateway that has outlived its daemon; those that are not asked for are
    closed. Raises `PortInUseError`.
    """
    sockets = [inherited.get(("127.0.0.1", port)) or _bound("127.0.0.1", port)]
    if engine == "docker" and (address := bridge_address(environ)):
        try:
            sockets.append(inherited.get((address, port)) or _bound(address, port))
        except OSError as error:
            _LOG.warning("containers cannot reach the API: %s:%d: %s", address, port, error.strerror)
    for one in inherited.values():
        if one not in sockets:
            one.close()
    return sockets


def _bound(address: str, port: int, flag: str = "--port") -> socket.socket:
    try:
        return socket.create_server((address, port), backlog=1024)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        fault = Fault(
            f"port {port}", f"somebody else listens on {address}:{port}", "", f"Choose another with {flag}."
        )
        raise PortInUseError(fault) from error


def _listen_near(ports: list[int], other: int) -> socket.socket:
    """Bind the first free one of some ports: the last daemon's, for clients that still have it, or any.

    The port `other` is for somebody else.
    """
    for candidate in ports:
        with suppress(OSError):
            if candidate != other:
                return socket.create_server(("127.0.0.1", candidate))
    return socket.create_server(("127.0.0.1", 0))


async def _serve(
    home: Home,
    parts: Parts,
    running: Running,
    *,
    sockets: list[socket.socket],
    sts: socket.socket,
    ready: int | None,
    lease: int | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = ApiServer(parts.platform)
    await server.start(sockets)
    callbacks = Callbacks(
        server.adopt,
        lambda report: parts.platform.metrics.put(points(report)),
        server.accept,
        parts.platform.endpoints.need,
        parts.platform.endpoints.health.note,
        ModelFetches(parts.platform.endpoints.context).fetch,
    )
    await asyncio.to_thread(parts.platform.gateway.begin, callbacks)
    home.write_running(running)
    if ready is not None:
        os.write(ready, b"ready")
        os.close(ready)
    parts.start()
    # Docker may take a while to say what earlier jobs have left; nobody who only asks need wait for it.
    await asyncio.to_thread(parts.platform.jobs.start)
    await asyncio.to_thread(parts.platform.endpoints.start)
    await asyncio.to_thread(parts.platform.recommender.start)
    await server.start_tls(sts, await asyncio.to_thread(certificate.context, home.folder))
    # The models take a moment to load; who comes first need not wait for them.
    await asyncio.to_thread(server.warm_up)
    if lease is not None:
        threading.Thread(
            target=_end_with, args=(lease, parts, partial(loop.call_soon_threadsafe, stop.set)), daemon=True
        ).start()
    await stop.wait()
    await asyncio.to_thread(parts.platform.gateway.stop, _DRAIN_SECONDS)
    await server.stop()


def _end_with(lease: int, parts: Parts, stop: Callable[[], object]) -> None:
    """Stop the daemon when the other end of the lease is closed and no job is left."""
    os.read(lease, 1)
    os.close(lease)
    parts.platform.jobs.join()
    stop()
