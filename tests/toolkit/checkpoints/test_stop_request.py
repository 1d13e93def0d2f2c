"""StopRequest: a stop that a program asks about when it suits it."""

from __future__ import annotations

import os
import signal

from mlberth.checkpoints import StopRequest


def test_a_stop_is_remembered() -> None:
    """SIGTERM ends nothing inside the block, and means what it did before after it."""
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        seen = [stop.arrived]
        os.kill(os.getpid(), signal.SIGTERM)
        seen.append(stop.arrived)
    assert seen == [False, True]
    assert signal.getsignal(signal.SIGTERM) == before
