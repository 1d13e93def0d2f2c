"""Shadow variants: copies of answered requests, and how their answers compare with the client's."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlberth_local.gateway.proxy.invocation import Invocation, Invoker
from mlberth_local.gateway.proxy.request import (
    ACCEPT,
    CONTENT_TYPE,
    INVOKE,
    STREAM_ACCEPT,
    TARGET_VARIANT,
    Request,
)
from mlberth_local.gateway.proxy.routes import LiveVariant, Routes
from mlberth_local.gateway.spool import Spool, SpoolLimits, hourly_name

MOST_WAITING = 100
"""Copies of one shadow variant; further ones are dropped, so that a slow shadow costs production nothing."""
MOST_BYTES = 64 * 1024 * 1024
SENDERS = 4
"""So many copies are with one shadow variant at once."""
_KEPT = 64 * 1024 * 1024
"""Of what is known of the copies of one shadow variant, in bytes."""
_LARGEST_KEPT = 64 * 1024
"""Of a body that is kept to compare, in bytes."""


@dataclass
class _Queue:
    """The copies that wait for one shadow variant."""

    copies: deque[Invocation] = field(default_factory=deque)
    size: int = 0
    senders: int = 0
    dropped: int = 0


class Shadows:
    """Sends copies to the shadow variants of all endpoints."""

    def __init__(self, routes: Routes, folder: Path, chance: Callable[[], float]) -> None:
        self._routes = routes
        self._chance = chance
        self.spool = Spool(folder, hourly_name, SpoolLimits(kept_bytes=_KEPT))
        self.invoker: Invoker | None = None
        """Sends the copies. It tells this object of finished requests, so it is made later."""
        self._queues: dict[tuple[str, str], _Queue] = {}

    def finished(self, invocation: Invocation) -> None:
        """Take a copy of a request that a container was asked, for each shadow whose turn comes."""
        endpoint = invocation.endpoint
        if endpoint is None or not endpoint.shadows or invocation.is_copy or invocation.fleet is None:
            return
        for shadow in endpoint.shadows:
            if self._chance() < shadow.variant.weight:
                self._offer(invocation, (endpoint.endpoint.name, shadow.variant.name))

    def _offer(self, invocation: Invocation, key: tuple[str, str]) -> None:
        queue = self._queues.setdefault(key, _Queue())
        size = len(invocation.request.body)
        if len(queue.copies) >= MOST_WAITING or queue.size + size > MOST_BYTES:
            queue.dropped += 1
            return
        queue.copies.append(invocation)
        queue.size += size
        if queue.senders < SENDERS:
            queue.senders += 1
            # A task begins in the next turn of the loop: the client's answer is on its way by then.
            asyncio.get_running_loop().create_task(self._send(queue, key))

    async def _send(self, queue: _Queue, key: tuple[str, str]) -> None:
        try:
            while queue.copies:
                invocation = queue.copies.popleft()
                queue.size -= len(invocation.request.body)
                dropped, queue.dropped = queue.dropped, 0
                await self._compare(invocation, key, dropped)
        finally:
            queue.senders -= 1

    async def _compare(self, production: Invocation, key: tuple[str, str], dropped: int) -> None:
        endpoint = self._routes.find(key[0])
        shadow = (
            next((one for one in endpoint.shadows if one.variant.name == key[1]), None) if endpoint else None
        )
        if endpoint is None or shadow is None or self.invoker is None:
            return  # an update has taken it away
        copied = await self.invoker.copy(_request(production.request), endpoint, shadow)
        when = time.time()

        def line() -> bytes:
            found = {
                "time": when,
                "dropped": dropped,
                "production": _side(production),
                "shadow": _side(copied),
            }
            return json.dumps(found).encode() + b"\n"

        kept = sum(len(one.reply.body) for one in (production, copied) if one.reply)
        self.spool.offer(f"{key[0]}/{key[1]}", line, kept)

    def forget(self) -> None:
        """Give up what waits: the process ends."""
        for queue in self._queues.values():
            queue.copies.clear()


def _request(request: Request) -> Request:
    """Return the request as a shadow gets it: it names no other variant, and its answer is no stream."""
    headers = {name: value for name, value in request.headers.items() if name != TARGET_VARIANT}
    if STREAM_ACCEPT in headers:
        headers[ACCEPT] = headers[STREAM_ACCEPT]
    return Request(request.endpoint, INVOKE, headers, request.body, request.request_id, time.monotonic())


def _side(invocation: Invocation) -> dict[str, Any]:
    """Return what is known of one of the two."""
    variant: LiveVariant | None = invocation.variant
    found: dict[str, Any] = {
        "variant": variant.variant.name if variant else "",
        "seconds": invocation.model_seconds,
        "status": 200,
    }
    if invocation.failure is not None:
        status = getattr(invocation.failure, "original_status", invocation.failure.status)
        return {**found, "status": status, "error": invocation.failure.code}
    reply = invocation.reply
    if reply is not None:
        found["type"] = reply.headers.get(CONTENT_TYPE, b"").decode("latin-1")
        if len(reply.body) <= _LARGEST_KEPT:
            found["body"] = b64encode(reply.body).decode()
    return found
