"""A worker's page of counters, as the worker writes it; the supervisor reads it at any time.

The numbers outlive the worker: whoever takes its place goes on with its page. `worker.instrumentation` counts
requests there.
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mlberth.log_escapes import one_line
from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import (
    DURATIONS,
    ENTRIES,
    ENTRY,
    HISTOGRAM_CELLS,
    HISTOGRAMS,
    MAX_ENTRIES,
    NAME_BYTES,
    Series,
    WorkerMetrics,
    make_series,
)

_FIRST = {name: HISTOGRAMS + number * HISTOGRAM_CELLS for number, name in enumerate(DURATIONS)}
REQUEST, QUEUE, DECODE, PREDICT, ENCODE, FIRST_CHUNK = (_FIRST[name] for name in DURATIONS)
"""The histograms of durations, by their first cell."""

StepTime = tuple[int, float, int]
"""QUEUE, DECODE, PREDICT or ENCODE, its seconds, and how many requests it took as long."""

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]+")
_LONGEST = 64
_LONGEST_LOOKED_AT = 1024
_MAX_LABELS = 5

ENVIRON_RECORDER = "mlberth.recorder"
"""Where the WSGI environment holds the recorder."""
ENVIRON_STEP_TIMES = "mlberth.step_times"
"""Where it holds the list of StepTime, which the recorder is given when the request ends."""

log = logging.getLogger(__name__)


class Recorder:
    """One worker's page, as the worker writes it; also the sink of `context.metrics`."""

    def __init__(self, memory: Any) -> None:
        """Go on with the numbers in a writable buffer of PAGE_BYTES; zeros are a fresh page."""
        self._memory = memoryview(memory)
        self.cells = self._memory.cast("d")
        """The numbers of the page: whoever counts adds to one, in a fraction of a microsecond."""
        self._lock = threading.Lock()  # of what comes from other threads: the handler's metrics, and captures
        self._entries: dict[Series, int] = {}
        for series, _, _ in WorkerMetrics(bytes(self._memory)).entries():
            self._entries[series] = ENTRIES + len(self._entries) * ENTRY.size
        self._dropped = False

    def begin_worker(self, load_seconds: float) -> None:
        """Say that a worker goes on with this page; a request that its predecessor died with is counted."""
        cells = self.cells
        cells[metrics_memory.CUT_OFF] += cells[metrics_memory.BUSY] + cells[metrics_memory.STREAMS]
        cells[metrics_memory.BUSY] = cells[metrics_memory.STREAMS] = 0.0
        cells[metrics_memory.STARTS] += 1
        cells[metrics_memory.LOAD_SECONDS] = load_seconds
        cells[metrics_memory.PID] = os.getpid()

    def drop_lines(self, count: int) -> None:
        """Count lines of a log that could not be written."""
        self.cells[metrics_memory.LINES_DROPPED] += count

    def count_captured(self, written: int, dropped: int) -> None:
        """Count captured requests, from any thread."""
        with self._lock:
            self.cells[metrics_memory.CAPTURED] += written
            self.cells[metrics_memory.CAPTURE_DROPPED] += dropped

    def record(
        self,
        kind: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        *,
        warn: Callable[[str, object], None] = log.warning,
    ) -> None:
        """Add a value to one of the handler's metrics; what is beyond the limits is dropped and counted.

        Whatever a name, a value or a dimension is, nothing is raised, and the page can be read.
        """
        cleaned = _clean_name(name)
        series = make_series(kind, cleaned, _clean_labels(dimensions))
        amount = _amount(kind, value) * _SCALES.get(unit, 1.0)
        with self._lock:
            if math.isfinite(amount) and (position := self._entries.get(series) or self._add_entry(series)):
                total = (position + NAME_BYTES) // 8
                if math.isfinite(self.cells[total] + amount):
                    self.cells[total] += amount
                    self.cells[total + 1] += 1
                    return
            self.cells[metrics_memory.DROPPED] += 1
            if not self._dropped:
                self._dropped = True
                warn(_DROPPED, cleaned)

    def _add_entry(self, series: Series) -> int | None:
        encoded = series.encode()
        if encoded is None or len(self._entries) == MAX_ENTRIES:
            return None
        position = ENTRIES + len(self._entries) * ENTRY.size
        # The first byte comes last: until then there is no entry here for the reader.
        # To the end of the room: whoever died while it wrote here may have left a longer name.
        self._memory[position + 1 : position + NAME_BYTES] = encoded[1:].ljust(NAME_BYTES - 1, b"\0")
        self._memory[position] = encoded[0]
        self._entries[series] = position
        return position


_SCALES = {"ms": 1e-3, "kB": 1e3, "MB": 1e6, "GB": 1e9}
"""To the base units of the page: seconds and bytes."""
_DROPPED = (
    "context.metrics: dropped a value of %s: too many names, a long one, no number, or a counter counted down"
)
_OF_HISTOGRAMS = frozenset({"le", "quantile"})
"""Labels to which Prometheus gives a meaning; those that begin with underscores are never made."""


def _amount(kind: str, value: object) -> float:
    """Return a value as a number; nan for what is none, and for a counter's that is below 0."""
    try:
        amount = float(value)  # type: ignore[arg-type]  # a Decimal, a numpy scalar: whatever a handler has
    except Exception:  # noqa: BLE001 - also what the value's own class raises
        return math.nan
    return math.nan if kind == "counter" and amount < 0 else amount


def _clean_labels(dimensions: Mapping[str, str]) -> dict[str, str]:
    """Return labels that Prometheus takes, each name once; one without a value is the same as none."""
    labels = {}
    for key, text in list(dimensions.items())[:_MAX_LABELS]:
        value = text[:_LONGEST]
        if not value.isprintable():
            value = one_line(value)[:_LONGEST]
        name = _clean_name(key)
        if value:
            labels[f"{name}_" if name in _OF_HISTOGRAMS else name] = value
    return labels


def _clean_name(text: str) -> str:
    """Return a name that Prometheus takes, made of what is left of a text."""
    name = _NOT_IN_NAMES.sub("_", text[:_LONGEST_LOOKED_AT])[:_LONGEST].strip("_") or "unnamed"
    return f"_{name}" if name[0].isdigit() else name
