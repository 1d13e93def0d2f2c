"""Serverless variants: they have an instance while there are requests, and for a while after the last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from mlberth_local.gateway.proxy.routes import LiveVariant, Routes

_ASK_SECONDS = 1.0
"""Between two times that the daemon is asked for an instance: it may have been away."""
Key = tuple[str, str]
"""Endpoint and variant."""


class Sleepers:
    """Tells the daemon (`tell`: endpoint, variant, whether) which serverless variants need an instance."""

    def __init__(
        self,
        routes: Routes,
        tell: Callable[[str, str, bool], None],
        *,
        idle_seconds: float,
        wake_seconds: float,
    ) -> None:
        self._routes = routes
        self._tell = tell
        self._idle_seconds = idle_seconds
        self._wake_seconds = wake_seconds
        self._used: dict[Key, float] = {}
        self._changed = asyncio.Event()

    async def wake(self, endpoint: str, variant: str) -> LiveVariant | None:
        """Return the variant with an instance; None if there is none in time."""
        until, ask_at = monotonic() + self._wake_seconds, 0.0
        while (now := monotonic()) < until:
            found = self._routes.find(endpoint)
            live = found.variants.get(variant) if found else None
            if live is None or live.instances:
                return live
            if now >= ask_at:
                self._tell(endpoint, variant, True)
                ask_at = now + _ASK_SECONDS
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), ask_at - now)
            except asyncio.TimeoutError:
                continue
        return None

    def applied(self) -> None:
        """Let those that wait look at the new table."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def sweep(self, now: float) -> None:
        """Give up the instances of variants that nobody has asked for long."""
        seen = set()
        for name, endpoint in self._routes.used():
            for variant in endpoint.variants.values():
                if variant.variant.max_concurrency is None or not variant.instances:
                    continue
                key = (name, variant.variant.name)
                seen.add(key)
                if variant.outstanding or key not in self._used:
                    self._used[key] = now
                elif now > self._used[key] + self._idle_seconds:
                    self._used[key] = now
                    self._tell(*key, False)
        for key in self._used.keys() - seen:
            del self._used[key]

    def use(self, endpoint: str, variant: str) -> None:
        """Note that a request has come."""
        self._used[endpoint, variant] = monotonic()
