"""A limit for a block of a program, by SIGALRM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeoutError(Exception):  # noqa: A001 - sagemaker-training-toolkit's name
    """A block that took too long."""


@contextmanager
def timeout(seconds: float = 0, minutes: float = 0, hours: float = 0) -> Iterator[None]:
    """Raise TimeoutError in the block when its time is over; for the main thread alone."""
    limit = seconds + 60 * minutes + 3600 * hours

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
        raise TimeoutError(f"timed out after {limit} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
