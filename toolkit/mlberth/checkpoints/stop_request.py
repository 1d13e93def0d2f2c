"""SIGTERM as a question that a training loop asks when it suits it."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Remember a SIGTERM while it is entered, so that the loop can save a last checkpoint and end.

    The platform sends SIGTERM before it takes a spot machine back, and kills 120 seconds later.
    Enter it in the main thread: Python hands signals to no other.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._before: Any = None

    def __enter__(self) -> StopRequest:
        self._before = signal.signal(signal.SIGTERM, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _remember(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        self.arrived = True
