"""The shared memory of every worker's counters: anonymous, so nothing waits for a disk or is left behind.

Each worker has a slot: an array of doubles that it adds to and the supervisor reads, then the handler's own
metrics, a name and two doubles each. A worker takes the first slot that no living one has locked, and goes on
with its numbers; two generations of workers at once do not disturb each other.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROUTES = ("/invocations", "/execution-parameters", "other")
CLASSES = ("2xx", "3xx", "4xx", "5xx")
DURATIONS = ("request", "queue", "decode", "predict", "encode", "first_chunk")
"""What has a histogram, in seconds."""
BUCKETS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds in seconds; one more bucket has what is above."""

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
"""Upper bounds of the histogram of batches, as many as of durations."""

STREAM_ENDS = ("whole", "failed", "gone", "stalled")
"""How streams end; `app.streamed_response.End` has the same."""

PID, STARTS, BUSY, CUT_OFF, LOAD_SECONDS, DROPPED, LINES_DROPPED, CAPTURED, CAPTURE_DROPPED = range(9)
STREAMS, STREAMS_ENDED = 9, 10
"""How many streams are on their way, and the first of the counts of those that have ended, one a way."""
REQUESTS = 16
"""The first of the counts, one for each class of each route."""
HISTOGRAMS = REQUESTS + len(ROUTES) * len(CLASSES)
"""The first histogram: a sum, then a count for each bucket."""
HISTOGRAM_CELLS = 1 + len(BUCKETS) + 1
BATCH = HISTOGRAMS + len(DURATIONS) * HISTOGRAM_CELLS
"""The histogram of how many requests were predicted in one call."""
CELLS = BATCH + HISTOGRAM_CELLS

ENTRIES = CELLS * 8
"""The offset of the handler's entries, in bytes."""
MAX_ENTRIES = 100
NAME_BYTES = 240
ENTRY = struct.Struct(f"={NAME_BYTES}sdd")
PAGE_BYTES = -(-(ENTRIES + MAX_ENTRIES * ENTRY.size) // 4096) * 4096


@dataclass(frozen=True)
class Series:
    """The name of one of the handler's metrics."""

    kind: str
    """counter, time, size, percent, error or metric."""
    name: str
    labels: tuple[tuple[str, str], ...]

    def encode(self) -> bytes | None:
        """Return what an entry holds of it; None if it is too long."""
        encoded = json.dumps([self.kind, self.name, dict(self.labels)], ensure_ascii=False).encode()
        return encoded if len(encoded) < NAME_BYTES else None


@dataclass(frozen=True)
class Histogram:
    """The durations of one kind: their sum, and how many fell into each bucket."""

    total: float
    counts: tuple[float, ...]

    def __add__(self, other: Histogram) -> Histogram:
        counts = zip(self.counts, other.counts, strict=True)
        return Histogram(self.total + other.total, tuple(one + more for one, more in counts))


class WorkerMetrics:
    """One worker's numbers as they were at one moment."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._cells = memoryview(content[: CELLS * 8]).cast("d")

    def number(self, cell: int) -> float:
        """Return one of the single numbers, from PID on."""
        return self._cells[cell]

    def requests(self, route: int, status_class: int) -> float:
        """Return how many requests a route has answered with a class of status."""
        return self._cells[REQUESTS + route * len(CLASSES) + status_class]

    def histogram(self, duration: int) -> Histogram:
        """Return one histogram."""
        return self._histogram(HISTOGRAMS + duration * HISTOGRAM_CELLS)

    def batches(self) -> Histogram:
        """Return the histogram of batches."""
        return self._histogram(BATCH)

    def _histogram(self, first: int) -> Histogram:
        total, *counts = self._cells[first : first + HISTOGRAM_CELLS]
        return Histogram(total, tuple(counts))

    def entries(self) -> Iterator[tuple[Series, float, float]]:
        """Yield the handler's metrics: name, sum, and how many values were added."""
        for position in range(MAX_ENTRIES):
            name, total, count = ENTRY.unpack_from(self._content, ENTRIES + position * ENTRY.size)
            if not name[0]:
                return
            try:
                kind, text, labels = json.loads(name.rstrip(b"\0"))
                series = make_series(kind, text, labels)
            except (ValueError, TypeError, AttributeError):  # nothing that a worker writes
                return
            yield series, total, count


def add_page(total: bytearray, page: WorkerMetrics) -> None:
    """Add the counters of a worker that has ended to others'; a request that it died with is cut off."""
    cells = memoryview(total).cast("d")
    for cell in set(range(CELLS)) - {PID, BUSY, LOAD_SECONDS}:
        cells[cell] += page.number(cell)
    cells[CUT_OFF] += page.number(BUSY)
    known = {series: place for place, (series, _, _) in enumerate(WorkerMetrics(bytes(total)).entries())}
    for series, amount, count in page.entries():
        place = known.setdefault(series, len(known))
        encoded = series.encode()
        if place >= MAX_ENTRIES or encoded is None:
            cells[DROPPED] += count
            continue
        start = ENTRIES + place * ENTRY.size
        _, before, times = ENTRY.unpack_from(total, start)
        ENTRY.pack_into(total, start, encoded.ljust(NAME_BYTES, b"\0"), before + amount, times + count)


def make_series(kind: str, name: str, labels: Mapping[str, str]) -> Series:
    """Return the series of a handler's metric, whatever its order of labels."""
    return Series(kind, name, tuple(sorted(labels.items())))


@dataclass(frozen=True)
class MetricsMemory:
    """Pages in anonymous memory behind a file descriptor."""

    descriptor: int

    @classmethod
    def create(cls) -> MetricsMemory:
        """Make a board without pages."""
        return cls(os.memfd_create("mlberth-metrics"))

    def take_page(self) -> mmap.mmap:
        """Return a page that is this process's as long as it lives."""
        for number in itertools.count():
            start = number * PAGE_BYTES
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, PAGE_BYTES, start)
            except (BlockingIOError, PermissionError):
                continue
            os.posix_fallocate(self.descriptor, start, PAGE_BYTES)
            return mmap.mmap(self.descriptor, PAGE_BYTES, offset=start)
        raise AssertionError

    def read(self) -> list[WorkerMetrics]:
        """Return every page as it is now."""
        size = os.fstat(self.descriptor).st_size
        content = os.pread(self.descriptor, size, 0)
        starts = range(0, len(content) - PAGE_BYTES + 1, PAGE_BYTES)
        return [WorkerMetrics(content[start : start + PAGE_BYTES]) for start in starts]
