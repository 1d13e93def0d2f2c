"""The workers' signs of life: memory that they and the supervisor share, with a slot for each worker.

A slot has three numbers. Two are of the machine's monotonic clock: when its worker last gave a sign, and
when it began the request that it is working on. 0 is none. The third says which of its kept connections
that request is from. There is no file, so no disk is waited for.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

_NUMBERS = 3
_SLOT_BYTES = _NUMBERS * 8


@dataclass(frozen=True)
class WorkerStatus:
    """What one slot says."""

    beat: float
    request_began: float
    working: int = 0
    """A bit for the place of each kept connection whose request is in work."""

    @property
    def loaded(self) -> bool:
        """Whether the slot has a worker that has loaded the model."""
        return self.beat > 0

    def is_alive(self, now: float, limit: float) -> bool:
        """Tell whether its last sign, or the start of its request, is at most `limit` seconds old."""
        return self.loaded and now - max(self.beat, self.request_began) <= limit

    def is_late(self, now: float, limit: float) -> bool:
        """Tell whether it works on a request since more than `limit` seconds."""
        return 0 < self.request_began < now - limit


class Heartbeats:
    """Every slot of one gunicorn, as the supervisor and gunicorn's master see them."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._numbers = memoryview(mmap.mmap(descriptor, 0)).cast("d")

    @classmethod
    def create(cls, slots: int) -> Heartbeats:
        """Return empty slots; a child that is given the descriptor sees the same."""
        descriptor = os.memfd_create("heartbeats")
        os.ftruncate(descriptor, slots * _SLOT_BYTES)
        return cls(descriptor)

    def close(self) -> None:
        """Give the descriptor back; what is mapped stays readable."""
        os.close(self.descriptor)

    def statuses(self) -> list[WorkerStatus]:
        """Return what each slot says."""
        numbers = self._numbers
        return [
            WorkerStatus(numbers[first], numbers[first + 1], int(numbers[first + 2]))
            for first in range(0, len(numbers), _NUMBERS)
        ]

    def heartbeat(self, slot: int, clock: Callable[[], float] = time.monotonic) -> Heartbeat:
        """Return one slot, for its worker to write."""
        return Heartbeat(self._numbers[slot * _NUMBERS : (slot + 1) * _NUMBERS], clock)


class Heartbeat:
    """One slot, as its worker sees it."""

    def __init__(self, numbers: memoryview[float], clock: Callable[[], float]) -> None:
        self._numbers = numbers
        self._clock = clock

    def beat(self) -> float:
        """Give a sign of life, and return its time; the first says that the model is loaded."""
        now = self._numbers[0] = self._clock()
        return now

    def begin_request(self, working: int = 0) -> None:
        """Say that a request has begun, or several at once, from these of the kept connections."""
        numbers = self._numbers
        numbers[2] = working  # first: who sees the beginning is to see whose it is
        numbers[0] = numbers[1] = self._clock()

    def end_request(self) -> float:
        """Say that it is over; returns its seconds."""
        seconds = self._clock() - self._numbers[1]
        self._numbers[1] = 0.0
        return seconds

    def clear(self) -> None:
        """Say that the worker is gone."""
        self._numbers[0] = self._numbers[1] = self._numbers[2] = 0.0
