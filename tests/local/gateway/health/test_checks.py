"""Tests of who is healthy: the checks of a real server, with sweeps as the gateway's process makes them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.local.gateway.servers import container

from mlberth_local.gateway.health import checks
from mlberth_local.gateway.health.checks import FAILURES, Checks, Health

Reports = list[list[list[Any]]]


class Round:
    """Makes checks one after the other, whatever the clock says."""

    def __init__(self, health: Health) -> None:
        self.health = health
        self.reports = Reports()
        self._checks = Checks(every=0.0, tell=self.reports.append, clock=lambda: 1000.0, chance=lambda: 0.0)
        self._checks.sweep(time.monotonic(), [health])  # says when the first one is due

    def is_sick(self) -> bool:
        """Return whether the instance gets no requests."""
        return self.health.is_sick

    async def more(self, count: int = 1) -> None:
        """Make some checks to their end."""
        for _ in range(count):
            self._checks.sweep(time.monotonic(), [self.health])
            assert self.health.due == float("inf")
            while self.health.due == float("inf"):
                await asyncio.sleep(0.001)


def run(work: Callable[[], Any]) -> None:
    """Run a coroutine."""
    asyncio.run(asyncio.wait_for(work(), 120))


def test_failures_in_a_row() -> None:
    """Some failures change nothing, one success makes them forgotten, and the daemon hears of the sick."""

    async def work() -> None:
        with container() as one, container() as other:
            health = Health("e", "i-1", (one.port, other.port))
            round_ = Round(health)
            other.ping = 503
            await round_.more(FAILURES - 1)
            assert not round_.is_sick()
            other.ping = 200
            await round_.more()
            other.ping = 500
            await round_.more(FAILURES - 1)
            assert health.failures == FAILURES - 1
            await round_.more()
            assert round_.is_sick()
            assert round_.reports[-1] == []
            await round_.more()
            assert round_.reports[-1] == [["e", "i-1", 2, "It answered /ping with 500", 1000.0]]
            other.ping = 200
            await round_.more()
            assert not round_.is_sick()
            await round_.more()
            assert round_.reports[-1] == []

    run(work)


def test_a_server_that_is_only_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its /ping waits behind predictions: as long as it answers those, silence is no failure."""
    monkeypatch.setattr(checks, "ANSWER_SECONDS", 0.01)

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as busy:
            health = Health("e", "i-1", (busy.getsockname()[1],))
            round_ = Round(health)
            for _ in range(FAILURES + 1):
                health.has_answered = True
                await round_.more()
            assert health.failures == 0
            await round_.more(FAILURES)
            assert round_.is_sick()

    run(work)


def test_a_gateway_without_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not heard while it could not listen says nothing."""
    monkeypatch.setattr(checks, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(checks, "_LATE_SECONDS", -1.0)

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as hung:
            round_ = Round(Health("e", "i-1", (hung.getsockname()[1],)))
            await round_.more(FAILURES)
            assert round_.health.failures == 0

    run(work)


def test_few_at_once() -> None:
    """However many instances are due, only some are asked at the same time; the others have their turn."""

    async def work() -> None:
        with container() as one:
            everyone = [Health("e", f"i-{number}", (one.port,)) for number in range(200)]
            found = Checks(every=0.0, tell=Reports().append, chance=lambda: 0.0)
            found.sweep(time.monotonic(), everyone)
            asked: set[str] = set()
            while len(asked) < len(everyone):
                found.sweep(time.monotonic(), everyone)
                running = {health.instance for health in everyone if health.due == float("inf")}
                assert len(running) <= 64
                asked |= running
                everyone = [*everyone[50:], *everyone[:50]]
                await asyncio.sleep(0.01)

    run(work)
