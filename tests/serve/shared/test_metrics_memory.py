"""The memory of counters: those of a worker that has ended, added to others'."""

from __future__ import annotations

from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import (
    BUSY,
    CUT_OFF,
    MAX_ENTRIES,
    PAGE_BYTES,
    WorkerMetrics,
    add_page,
)
from mlberth_serve.shared.metrics_recorder import REQUEST, Recorder
from mlberth_serve.worker.instrumentation import RequestCounters


def test_counters_of_workers_that_have_ended_add_up() -> None:
    """Requests, histograms and the handler's own metrics; a request that one died with is cut off."""
    total = bytearray(PAGE_BYTES)
    for name in ("one", "two"):
        memory = bytearray(PAGE_BYTES)
        recorder = Recorder(memory)
        requests = RequestCounters(recorder.cells)
        recorder.begin_worker(1.0)
        for _ in range(2):
            requests.begin_request()
            requests.end_request("/invocations", "200 OK", 0.25)
        recorder.record("counter", "both", 3.0, "", {})
        recorder.record("counter", name, 1.0, "", {"a": "b"})
        requests.begin_request()
        add_page(total, WorkerMetrics(bytes(memory)))
    found = WorkerMetrics(bytes(total))
    assert found.requests(0, 0) == 4
    durations = found.histogram(metrics_memory.DURATIONS.index("request"))
    assert (durations.total, sum(durations.counts)) == (1.0, 4)
    assert REQUEST
    assert (found.number(CUT_OFF), found.number(BUSY), found.number(metrics_memory.STARTS)) == (2, 0, 2)
    entries = {series.name: (amount, count) for series, amount, count in found.entries()}
    assert entries == {"both": (6.0, 2.0), "one": (1.0, 1.0), "two": (1.0, 1.0)}


def test_series_beyond_the_room_are_counted_as_dropped() -> None:
    """A page has an end, however many models have come and gone."""
    total = bytearray(PAGE_BYTES)
    for number in range(MAX_ENTRIES + 5):
        memory = bytearray(PAGE_BYTES)
        Recorder(memory).record("counter", f"n{number}", 1.0, "", {})
        add_page(total, WorkerMetrics(bytes(memory)))
    found = WorkerMetrics(bytes(total))
    assert len(list(found.entries())) == MAX_ENTRIES
    assert found.number(metrics_memory.DROPPED) == 5
