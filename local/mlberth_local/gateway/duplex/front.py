"""The port of streams in both directions: HTTP/2 over TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any

from mlberth_local.gateway.duplex.http2 import ClientGoneError, Exchange, Http2Connection
from mlberth_local.gateway.duplex.session import Check, Sessions
from mlberth_local.gateway.proxy.invocation import Invocation
from mlberth_local.gateway.proxy.routes import Routes

_LOG = logging.getLogger("mlberth.gateway")
PING_SECONDS = 60.0
"""Between two pings of a container. Source: the platform's container contract."""
_IDLE_SECONDS = 300.0
"""A connection without a stream is closed after so long."""


class DuplexFront:
    """Listens on 127.0.0.1 at a port that the daemon names, if it names one."""

    def __init__(self, routes: Routes, check: Check, finished: Callable[[Invocation], None]) -> None:
        self._sessions = Sessions(routes, check=check, finished=finished, ping_seconds=PING_SECONDS)
        self._connections: set[Http2Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._settings: dict[str, Any] = {}

    async def configure(self, settings: dict[str, Any]) -> None:
        """Listen as these settings say: `port` (0 is not at all), `certificate`, `key`. Raises OSError."""
        if settings == self._settings:
            return
        self.close()
        if settings["port"]:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(settings["certificate"], settings["key"])
            context.set_alpn_protocols(["h2"])
            self._server = await asyncio.get_running_loop().create_server(
                self._connect, "127.0.0.1", settings["port"], ssl=context
            )
        self._settings = settings

    def _connect(self) -> Http2Connection:
        return Http2Connection(self._answer, self._connections)

    def _answer(self, exchange: Exchange, local: bool) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(exchange, local))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, exchange: Exchange, local: bool) -> None:
        try:
            await self._sessions.carry_out(exchange, local)
        except ClientGoneError:
            _LOG.debug("a client has given up its stream")
        except Exception:  # noqa: BLE001 - it is the client's stream alone that ends
            _LOG.exception("a stream failed")
            exchange.reset()
        finally:
            exchange.close()

    def sweep(self, now: float) -> None:
        """Close connections that nobody has used for long."""
        for one in list(self._connections):
            if one.is_idle and now > one.used + _IDLE_SECONDS:
                one.close()

    def close(self) -> None:
        """Listen no more, and end all streams."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._settings = {}
        for task in list(self._tasks):
            task.cancel()
        for one in list(self._connections):
            one.close()
