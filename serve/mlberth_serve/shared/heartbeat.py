"""The workers' signs of life: memory that they share with the supervisor and the arbiter, a slot for each.

There is no file, so no disk is waited for, and no lock: a slot has one writer, its worker.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

_SLOT = struct.Struct("@ddQ32s8x")
"""When its worker last gave a sign, when it began the request in work (by the machine's monotonic clock, 0 is
never), a bit for each kept connection whose request that is, and the request's id. Padded to a cache line, so
that workers on different cores do not take it from each other with each request."""
ID_BYTES = 32
"""What nginx's ids have; a longer one of a client's is cut."""
_ID_OFFSET = 24
_CELLS = _SLOT.size // 8
_BEAT, _REQUEST_BEGAN, _WORKING = range(3)


@dataclass(frozen=True)
class WorkerStatus:
    """One slot as it was at one moment."""

    beat: float
    request_began: float
    working: int = 0
    """A bit for the slot of each kept connection whose request is in work."""
    request_id: str = ""
    """Of the request that was begun last, the first of those in a batch; for a log."""

    @property
    def loaded(self) -> bool:
        """Whether the slot has a worker that has loaded the model."""
        return self.beat > 0

    def is_alive(self, now: float, limit: float) -> bool:
        """Return whether its last sign, or the start of its request, is at most `limit` seconds old."""
        return self.loaded and now - max(self.beat, self.request_began) <= limit

    def is_late(self, now: float, limit: float) -> bool:
        """Return whether it has worked on a request for more than `limit` seconds."""
        return 0 < self.request_began < now - limit


class Heartbeats:
    """Every slot of one gunicorn, as the supervisor and gunicorn's arbiter see them."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        # A map begins at a page, so each cell is aligned, and one of 8 bytes is written and read as a whole:
        # no reader sees half a number. Two views of the same cells, since one view has one type.
        self._memory = memoryview(mmap.mmap(descriptor, 0))
        self._times = self._memory.cast("d")
        self._masks = self._memory.cast("Q")

    @classmethod
    def create(cls, slots: int) -> Heartbeats:
        """Return empty slots; a child that is given the descriptor sees the same."""
        descriptor = os.memfd_create("heartbeats")
        os.ftruncate(descriptor, slots * _SLOT.size)
        return cls(descriptor)

    def close(self) -> None:
        """Give the descriptor back; what is mapped stays readable."""
        os.close(self.descriptor)

    def statuses(self) -> list[WorkerStatus]:
        """Return what each slot says."""
        return [
            WorkerStatus(beat, began, working, name.rstrip(b"\0").decode("ascii", "replace"))
            for beat, began, working, name in _SLOT.iter_unpack(self._memory)
        ]

    def heartbeat(self, slot: int, clock: Callable[[], float] = time.monotonic) -> Heartbeat:
        """Return one slot, for its worker to write."""
        cells = slice(slot * _CELLS, (slot + 1) * _CELLS)
        memory = self._memory[slot * _SLOT.size : (slot + 1) * _SLOT.size]
        return Heartbeat(
            self._times[cells], self._masks[cells], memory[_ID_OFFSET : _ID_OFFSET + ID_BYTES], clock
        )


class Heartbeat:
    """One slot, as its worker sees it."""

    def __init__(
        self,
        times: memoryview[float],
        masks: memoryview[int],
        request_id: memoryview,
        clock: Callable[[], float],
    ) -> None:
        self._times = times
        self._masks = masks
        self._request_id = request_id
        self._clock = clock

    def beat(self) -> float:
        """Give a sign of life, and return its time; the first says that the model is loaded."""
        now = self._times[_BEAT] = self._clock()
        return now

    def begin_request(self, working: int = 0, request_id: bytes = b"") -> float:
        """Say that a request has begun, or several at once, from these kept connections; returns when."""
        if len(request_id) != ID_BYTES:
            request_id = request_id[:ID_BYTES].ljust(ID_BYTES, b"\0")
        self._request_id[:] = request_id
        # The mask first: whoever sees that a request has begun is to see whose it is. A reader that sees the
        # mask of one request and the beginning of the one before takes that one for late at worst, and it
        # has been answered.
        self._masks[_WORKING] = working
        now = self._times[_BEAT] = self._times[_REQUEST_BEGAN] = self._clock()
        return now

    def end_request(self) -> float:
        """Say that it is over; returns its seconds."""
        seconds = self._clock() - self._times[_REQUEST_BEGAN]
        self._times[_REQUEST_BEGAN] = 0.0  # the mask may stay: without a beginning nobody reads it
        return seconds

    def clear(self) -> None:
        """Say that the worker is gone."""
        self._times[_BEAT] = self._times[_REQUEST_BEGAN] = 0.0
        self._masks[_WORKING] = 0
        self._request_id[:] = bytes(ID_BYTES)
