"""Health of instances: each is asked for /ping again and again, as long as it takes requests.

One that fails several times in a row gets no requests until it passes again. Source: the platform's rule that
an instance must go on answering /ping; it names no numbers, so these are generous.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mlberth_local.gateway.health.ping import ping

_LOG = logging.getLogger("mlberth.gateway")
ANSWER_SECONDS = 2.0
"""For one answer. Source: the platform's container contract."""
FAILURES = 3
"""So many in a row take an instance out of the traffic."""
_LATE_SECONDS = 1.0
"""A check that takes so much longer than it may tells that this process had no CPU, and nothing else."""
_MOST_AT_ONCE = 64


@dataclass(slots=True, eq=False)
class Health:
    """How an instance fares in its checks. `is_sick` and `has_answered` are for those who send requests."""

    endpoint: str
    instance: str
    ports: tuple[int, ...]
    """Of its containers; all must pass."""
    is_sick: bool = False
    """Whether it takes no requests."""
    has_answered: bool = False
    """Whether it has answered a request since the last check."""
    failures: int = 0
    """How many checks have failed in a row."""
    problem: str = ""
    container: int = 1
    """The number of the container that has the problem."""
    since: float = 0.0
    """When the first of these failures was, in seconds since the epoch."""
    due: float | None = None
    """When the next check begins, by the monotonic clock; None before the first, infinite during one."""

    def as_json(self) -> list[Any]:
        """Return what the daemon is told of a sick instance."""
        return [self.endpoint, self.instance, self.container, self.problem, self.since]


class Checks:
    """Checks instances every so many seconds, in tasks of the running loop.

    As often, `tell` gets all that are sick (`Health.as_json`).
    """

    def __init__(
        self,
        *,
        every: float,
        tell: Callable[[list[list[Any]]], None],
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._every = every
        self._tell = tell
        self._clock = clock
        self._chance = chance
        self._reported = 0.0
        self._running: set[asyncio.Task[None]] = set()

    def sweep(self, now: float, everyone: Iterable[Health]) -> None:
        """Start the checks that are due."""
        sick = []
        for health in everyone:
            if health.is_sick:
                sick.append(health.as_json())
            if health.due is None:  # the checks of those that come together begin at different times
                health.due = now + self._every * self._chance()
            elif now >= health.due and len(self._running) < _MOST_AT_ONCE:
                health.due = float("inf")
                task = asyncio.get_running_loop().create_task(self._check(health, now))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        if now >= self._reported + self._every:
            self._reported = now
            self._tell(sick)

    async def _check(self, health: Health, began: float) -> None:
        try:
            found = await asyncio.gather(*(ping(port, ANSWER_SECONDS) for port in health.ports))
        finally:
            health.due = began + self._every
        answered, health.has_answered = health.has_answered, False
        problems = [(one.is_silent, number, one.text) for number, one in enumerate(found, 1) if one]
        if not problems:
            self._pass(health)
            return
        is_silent, number, text = min(problems)
        is_late = time.monotonic() > began + ANSWER_SECONDS + _LATE_SECONDS
        # Without nginx, /ping waits behind predictions: a server that answers those does not hang.
        if not (is_silent and (answered or is_late)):
            self._fail(health, number, text)

    def _pass(self, health: Health) -> None:
        health.failures = 0
        if health.is_sick:
            health.is_sick = False
            _LOG.warning("%s: instance %s passes its checks again", health.endpoint, health.instance)

    def _fail(self, health: Health, number: int, problem: str) -> None:
        if not health.failures:
            health.since = self._clock()
        health.failures += 1
        health.container, health.problem = number, problem
        if health.failures >= FAILURES and not health.is_sick:
            health.is_sick = True
            text = "%s: instance %s gets no requests: its container %d fails its checks: %s"
            _LOG.warning(text, health.endpoint, health.instance, number, problem)
