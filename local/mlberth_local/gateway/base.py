"""The gateway, as the control plane of endpoints needs it: `GatewayClient` (`client.py`) does it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from mlberth_local.gateway.table import Instance, Table


class GatewayError(Exception):
    """The gateway's process cannot be started, or does not answer."""


class Gateway(Protocol):
    """The data plane, as the daemon sees it. Calls block, may come from any thread, and take turns."""

    def apply(self, table: Table) -> None:
        """Route by a table from now on; the process is started with the first one that has an endpoint.

        When this returns, no request that comes goes to an instance that is not in the table; those in
        flight go on (see `drained`). A table replaces the one before as a whole; a process that is started
        again, by whomever, has the last one. Raises `GatewayError` after some seconds.
        """

    def drained(self, instances: Collection[Instance], seconds: float) -> bool:
        """Wait until instances that are in the table no more have no request in flight.

        Returns whether it is so within `seconds`; also True if no gateway runs.
        """

    def stop(self, seconds: float) -> None:
        """End the process: requests in flight have `seconds`, then their connections are closed."""
