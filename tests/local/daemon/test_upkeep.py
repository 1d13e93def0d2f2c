"""Tests of the thread that keeps the store small."""

from __future__ import annotations

from tests.support import wait_until

from mlberth_local.daemon.upkeep import Upkeep


def test_it_goes_on_after_a_failure_until_it_is_stopped() -> None:
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError

    upkeep = Upkeep(work, pause_seconds=0.01)
    upkeep.start()
    wait_until(lambda: len(calls) > 2)
    upkeep.stop()
    before = len(calls)
    upkeep.stop()
    assert len(calls) == before
