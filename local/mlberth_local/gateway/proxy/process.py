"""The gateway's process: its loop, its sockets, and what it is told on the control socket."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from mlberth_local.errors import ServiceError
from mlberth_local.gateway.control_socket import Places, listen
from mlberth_local.gateway.health.checks import Checks
from mlberth_local.gateway.limits import Limits
from mlberth_local.gateway.messages import Message
from mlberth_local.gateway.models.fetches import Fetches
from mlberth_local.gateway.models.instance_models import Means
from mlberth_local.gateway.proxy import prometheus
from mlberth_local.gateway.proxy.answer import Answer, StreamedAnswer
from mlberth_local.gateway.proxy.captures import Captures
from mlberth_local.gateway.proxy.control import ControlConnection
from mlberth_local.gateway.proxy.front import Front
from mlberth_local.gateway.proxy.handover import Handover
from mlberth_local.gateway.proxy.invocation import Invocation, Invoker
from mlberth_local.gateway.proxy.request import Request, TextHeaders
from mlberth_local.gateway.proxy.routes import Routes
from mlberth_local.gateway.proxy.shadows import Shadows
from mlberth_local.gateway.proxy.sleepers import Sleepers
from mlberth_local.gateway.proxy.tallies import Tallies
from mlberth_local.gateway.table_file import read_table
from mlberth_local.http_request import HttpRequest
from mlberth_local.identity import signatures

_LOG = logging.getLogger("mlberth.gateway")
_TICK_SECONDS = 0.25
_MINUTE = 60.0
"""Between two counts of the models that instances have loaded. Source: the metric LoadedModelCount."""
_TERM_SECONDS = 10.0
_BACKLOG = 1024


class Companion(Protocol):
    """Another port of the same process."""

    async def configure(self, settings: dict[str, Any]) -> None:
        """Listen as the daemon says. Raises OSError."""

    def sweep(self, now: float) -> None:
        """See to what has waited for too long."""

    def close(self) -> None:
        """End."""


Companions = Callable[
    [Routes, Callable[[Request, str, str, bool], None], Callable[[Invocation], None]], Companion
]
"""Makes a companion of the routes, of what checks a request, and of what counts one that is over."""


class GatewayProcess:
    """All that the process has. One a folder."""

    def __init__(
        self, places: Places, keys: Path, limits: Limits, make_duplex: Companions | None = None
    ) -> None:
        self._places = places
        self._keys_file = keys
        self._keys: Mapping[str, str] = {}
        self._handover = Handover(daemon_seconds=limits.daemon_seconds)
        self._tallies = Tallies(time.time, window_seconds=limits.window_seconds)
        self._fetches = Fetches(self._handover.fetch)
        self._routes = Routes(means=Means(self._fetches, self._tallies.note, limits))
        self._captures = Captures(places.captured, random.random)
        self._shadows = Shadows(self._routes, places.shadows, random.random)
        finished = (self._tallies.finished, self._captures.finished, self._shadows.finished)
        self._checks = Checks(every=limits.ping_seconds, tell=self._handover.report_health)
        self._sleepers = Sleepers(
            self._routes,
            self._handover.need,
            idle_seconds=limits.idle_seconds,
            wake_seconds=limits.wake_seconds,
        )
        self._invoker = self._shadows.invoker = Invoker(
            self._routes, finished, model_seconds=limits.model_seconds, sleepers=self._sleepers
        )
        self._front = Front(self._serve, check=self._check, hand_over=self._handover.give)
        self._make_duplex = make_duplex
        self._duplex: Companion | None = None
        """The port of streams in both directions; None until the daemon asks for it."""
        self._public: list[tuple[socket.socket, asyncio.Server]] = []
        self._controls: set[ControlConnection] = set()
        self._reported = 0
        """How many windows the daemon was sent and has not taken yet."""
        self._stop: asyncio.Future[float] | None = None
        self._count_models_at = 0.0

    async def run(self) -> None:
        """Answer until the daemon says that it is enough, or SIGTERM comes."""
        loop = asyncio.get_running_loop()
        self._stop = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, _TERM_SECONDS)
        self._load()
        private = await loop.create_unix_server(self._front.connection, sock=listen(self._places.private))
        control = listen(self._places.control)
        control.setblocking(False)
        loop.add_reader(control, self._accept_control, control)
        ticking = loop.create_task(self._tick())
        seconds = await self._stop
        self._refuse_connections()
        private.close()
        self._front.stop()
        deadline = time.monotonic() + seconds
        while (self._routes.outstanding() or self._front.connections) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        ticking.cancel()
        if self._duplex is not None:
            self._duplex.close()
        self._shadows.forget()
        for spool in (self._captures.spool, self._shadows.spool):
            await asyncio.to_thread(spool.close)
        self._handover.sweep(float("inf"))
        self._report()
        await asyncio.sleep(0.02)  # what was written last goes out

    def _end(self, seconds: float) -> None:
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(seconds)

    def _load(self) -> None:
        self._keys = json.loads(self._keys_file.read_bytes())
        self._routes.apply(read_table(self._places.table, self._routes.endpoints))
        self._sleepers.applied()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            try:
                self._look(time.monotonic())
            except Exception:  # noqa: BLE001 - the next look may succeed, and deadlines depend on it
                _LOG.exception("the gateway's housekeeping failed; it goes on")

    def _look(self, now: float) -> None:
        """See to what has waited for too long, and to counts that are due."""
        self._routes.sweep(now)
        self._front.sweep(now)
        self._handover.sweep(now)
        self._sleepers.sweep(now)
        if self._duplex is not None:
            self._duplex.sweep(now)
        self._checks.sweep(now, self._routes.healths())
        if now >= self._count_models_at:
            self._count_models_at = now + _MINUTE
            for key, instance in self._routes.multi_model():
                self._tallies.note_loaded(key, len(instance.loaded))
        self._tallies.close_window()
        self._report()
        if not self._places.control.exists():  # its home was removed: no daemon can ever find it again
            self._end(0)

    def _report(self) -> None:
        waiting = self._tallies.waiting()
        if self._handover.daemon is None or self._reported or not waiting:
            return
        self._reported = len(waiting)
        content = [
            [start, *key, tally.as_json()] for start, window in waiting for key, tally in window.items()
        ]
        message = Message({"event": "report", "windows": len(waiting)}, json.dumps(content).encode())
        self._handover.daemon.send(message)

    def _accept_control(self, control: socket.socket) -> None:
        try:
            one, _ = control.accept()
        except OSError:
            return
        self._controls.add(ControlConnection(one, self._carry_out, self._lost))

    def _lost(self, connection: ControlConnection) -> None:
        self._controls.discard(connection)
        self._handover.lost(connection)

    async def _accept_from(self, sockets: list[socket.socket]) -> None:
        """Accept the connections of these sockets, and no others."""
        loop = asyncio.get_running_loop()
        self._refuse_connections()
        for one in sockets:
            # The server closes what it is given; the socket itself is for the next daemon.
            server = await loop.create_server(self._front.connection, sock=one.dup(), backlog=_BACKLOG)
            self._public.append((one, server))

    def _refuse_connections(self) -> None:
        for one, server in self._public:
            server.close()
            one.close()
        self._public = []

    async def _carry_out(self, connection: ControlConnection, message: Message) -> dict[str, Any] | None:
        fields = message.fields
        if fields["do"] == "sockets":
            descriptors = tuple(os.dup(one.fileno()) for one, _ in self._public)
            connection.answer(message, {}, descriptors)
            fields.pop("id")
        elif fields["do"] in {"listen", "duplex"}:
            await self._listen(message)
        elif fields["do"] == "attend":
            self._reported = 0
            self._handover.attend(connection)
        elif fields["do"] == "table":
            self._load()
        elif fields["do"] == "drained":
            ports = {tuple(one) for one in fields["ports"]}
            return {"drained": await self._routes.drained(ports, fields["seconds"])}
        elif fields["do"] == "fetched":
            self._fetches.answered(fields)
        elif fields["do"] == "models":
            return {"models": {one.instance: one.loaded for _, one in self._routes.multi_model()}}
        elif fields["do"] == "taken":
            self._tallies.taken(fields["windows"])
            self._reported = 0
        elif fields["do"] == "stop":
            self._end(fields["seconds"])
        return None

    async def _listen(self, message: Message) -> None:
        if message.fields["do"] == "listen":
            await self._accept_from([socket.socket(fileno=one) for one in message.descriptors])
            return
        settings = message.fields["settings"]
        if self._duplex is None and self._make_duplex is not None and settings["port"]:
            self._duplex = self._make_duplex(self._routes, self._check, self._tallies.finished)
        if self._duplex is not None:
            await self._duplex.configure(settings)

    def _check(self, request: Request, method: str, path: str, local: bool) -> None:
        """Raise `ServiceError` for a request of a web page, or with a wrong signature."""
        signed = b"authorization" in request.headers
        if b"origin" in request.headers and not signed:
            text = "Requests of web pages must be signed."
            raise ServiceError("AccessDeniedException", text, HTTPStatus.FORBIDDEN)
        if signed or not local:
            found = HttpRequest(method, path, "", TextHeaders(request.headers), local_client=local)
            signatures.check(found, request.body, self._keys, time.time())

    async def _serve(self, request: Request) -> Answer | StreamedAnswer:
        if request.operation == b"metrics":
            outstanding = {
                one.key[:2]: one.outstanding
                for _, endpoint in self._routes.used()
                for one in endpoint.variants.values()
            }
            body = prometheus.text(self._tallies.totals(), outstanding).encode()
            return Answer(HTTPStatus.OK, f"Content-Type: {prometheus.CONTENT_TYPE}\r\n".encode(), body)
        return await self._invoker.invoke(request)
