"""The parts of the platform that an endpoint needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from mlberth_local.gateway.base import Gateway
from mlberth_local.gateway.table import Instance, Table
from mlberth_local.jobs.context import JobContext


class NoGateway:
    """Stands for a gateway that nobody runs: instances are reached at their own ports alone."""

    def apply(self, table: Table) -> None:
        """Do nothing."""

    def drained(self, instances: Collection[Instance], seconds: float) -> bool:  # noqa: ARG002 - as Gateway
        """Return True."""
        return True

    def stop(self, seconds: float) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Seconds:
    """The times that instances have."""

    drain: float = 60.0
    """For requests on their way: none may take longer."""
    stop: float = 30.0
    """From SIGTERM to SIGKILL, as the platform has it."""
    look: float = 0.5
    """Between two looks at instances that serve."""
    deliver: float = 2.0
    """Between two looks for captured requests."""
    unhealthy: float = 60.0
    """An instance that fails its health checks for so long is replaced: no request may take longer."""


@dataclass(frozen=True)
class EndpointContext:
    """What every endpoint works with."""

    parts: JobContext
    """The store, the engine and the folders that jobs have, too."""
    gateway: Gateway
    log_arn: str
    """What comes before the name of a log group in its ARN."""
    seconds: Seconds = Seconds()
    captured: Path | None = None
    """Where the gateway keeps captured requests; None if nobody captures any."""
    is_firing: Callable[[str], bool] = lambda name: False  # noqa: ARG005 - no alarms
    """Tells whether a CloudWatch alarm is in the state ALARM."""
    is_busy: Callable[[str], bool] = lambda instance: False  # noqa: ARG005 - no asynchronous requests
    """Tells whether an instance has asynchronous requests, which may take as long as they say."""
