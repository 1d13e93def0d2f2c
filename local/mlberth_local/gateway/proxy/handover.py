"""Connections whose request is not an invocation: they go to the daemon, or wait for one."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from time import monotonic
from typing import Any
from uuid import uuid4

from mlberth_local.errors import ServiceError
from mlberth_local.gateway.messages import Message
from mlberth_local.gateway.proxy.answer import encode, error
from mlberth_local.gateway.proxy.control import ControlConnection
from mlberth_local.gateway.proxy.front import detach


class Handover:
    """Gives connections to the daemon that attends, which is the last one that said so."""

    def __init__(self, *, daemon_seconds: float) -> None:
        self.daemon: ControlConnection | None = None
        self._seconds = daemon_seconds
        self._waiting: list[tuple[float, asyncio.Transport, bytes]] = []

    def give(self, transport: asyncio.Transport, data: bytes) -> None:
        """Give a connection away, with what was read of it."""
        transport.pause_reading()
        if self.daemon is None:
            until = monotonic() + self._seconds
            self._waiting.append((until, transport, data))
        elif not transport.is_closing():
            self.daemon.send(Message({"event": "connection"}, data, (detach(transport),)))

    def attend(self, daemon: ControlConnection) -> None:
        """Give connections to this daemon, those that wait first."""
        self.daemon = daemon
        waiting, self._waiting = self._waiting, []
        for _, transport, data in waiting:
            self.give(transport, data)

    def need(self, endpoint: str, variant: str, awake: bool) -> None:
        """Tell the daemon whether a serverless variant needs an instance."""
        if self.daemon is not None:
            fields = {"event": "need", "endpoint": endpoint, "variant": variant, "awake": awake}
            self.daemon.send(Message(fields))

    def report_health(self, sick: list[list[Any]]) -> None:
        """Tell the daemon of all instances that fail their checks (`Health.as_json`); no others do."""
        if self.daemon is not None:
            self.daemon.send(Message({"event": "health", "time": monotonic(), "sick": sick}))

    def fetch(self, wanted: dict[str, Any]) -> None:
        """Ask the daemon for an archive, if there is one."""
        if self.daemon is not None:
            self.daemon.send(Message({"event": "fetch", **wanted}))

    def lost(self, connection: ControlConnection) -> None:
        """Wait for another daemon if it was this one's connection."""
        if self.daemon is connection:
            self.daemon = None

    def sweep(self, now: float) -> None:
        """Answer for the daemon if it has not come in time."""
        late = [one for one in self._waiting if one[0] <= now]
        self._waiting = [one for one in self._waiting if one[0] > now]
        for _, transport, _ in late:
            text = "The platform's daemon does not run: mlberth up starts it."
            failure = ServiceError("ServiceUnavailable", text, HTTPStatus.SERVICE_UNAVAILABLE)
            transport.write(encode(error(failure), str(uuid4()), keep=False))
            transport.close()
