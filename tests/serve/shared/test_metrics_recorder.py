"""A worker's page and its board."""

from __future__ import annotations

import math
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.serve.metric_samples import samples

from mlberth_serve.control.nginx.direct_responses import LIST, DirectResponses
from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import MAX_ENTRIES, PAGE_BYTES, MetricsMemory
from mlberth_serve.shared.metrics_recorder import Recorder
from mlberth_serve.worker.instrumentation import RequestCounters


@pytest.fixture
def board() -> Iterator[MetricsMemory]:
    """Return a board without pages."""
    board = MetricsMemory.create()
    yield board
    os.close(board.descriptor)


def in_child(work: Callable[[], object]) -> None:
    """Run something in a forked process, to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_successor_goes_on_with_the_page(board: MetricsMemory) -> None:
    """The page of a dead worker is taken by the next one; a living one keeps its own."""

    def die_in_a_request() -> None:
        recorder = Recorder(board.take_page())
        requests = RequestCounters(recorder.cells)
        recorder.begin_worker(1.0)
        requests.end_request("/invocations", "200 OK", 0.1)
        recorder.record("counter", "rows", 5, "count", {})
        requests.begin_request()

    page = board.take_page()  # ours, while we live
    for _ in range(3):
        in_child(die_in_a_request)
    ours, theirs = board.read()
    assert ours.number(metrics_memory.STARTS) == 0
    assert theirs.number(metrics_memory.STARTS) == theirs.requests(0, 0) == 3
    assert theirs.number(metrics_memory.CUT_OFF) == 2
    assert [(series.name, total, count) for series, total, count in theirs.entries()] == [("rows", 15, 3)]
    page.close()


@pytest.mark.parametrize(
    ("kind", "name", "value", "unit", "expected"),
    [
        ("counter", "rows", 2, "count", {"handler_rows_total": 2}),
        ("counter", "rows_total", 2, "count", {"handler_rows_total": 2}),
        ("error", "lookup", 1, "count", {"handler_lookup_errors_total": 1}),
        ("time", "lookup", 5, "ms", {"handler_lookup_seconds_sum": 0.005, "handler_lookup_seconds_count": 1}),
        ("time", "lookup", 5, "s", {"handler_lookup_seconds_sum": 5}),
        ("size", "image", 2, "kB", {"handler_image_bytes_sum": 2000}),
        ("percent", "full", 50, "percent", {"handler_full_percent_sum": 50}),
        ("metric", "heat", 36.6, "kelvin", {"handler_heat_sum": 36.6, "handler_heat_count": 1}),
        ("counter", 'Ärger "\n{}', 1, "count", {"handler_rger_total": 1}),
        ("counter", "9", 1, "count", {"handler__9_total": 1}),
        ("counter", "é", 1, "count", {"handler_unnamed_total": 1}),
        ("counter", "n" * 500, 1, "count", {f"handler_{'n' * 64}_total": 1}),
    ],
)
def test_handler_metrics(kind: str, name: str, value: float, unit: str, expected: dict[str, float]) -> None:
    """A name of any kind becomes one that Prometheus takes, a value is in base units."""
    memory = bytearray(PAGE_BYTES)
    Recorder(memory).record(kind, name, value, unit, {})
    found = samples(memory)
    assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_handler_metrics_are_bounded() -> None:
    """Beyond the room of a page, and what is no number, values are dropped, counted and told of once."""
    memory = bytearray(PAGE_BYTES)
    recorder = Recorder(memory)
    warnings: list[object] = []

    def warn(_text: str, *details: object) -> None:
        warnings.extend(details)

    for number in range(MAX_ENTRIES + 20):
        recorder.record("counter", "seen", 1, "count", {"user": str(number)}, warn=warn)
    recorder.record("counter", "seen", math.nan, "count", {"user": "0"}, warn=warn)
    recorder.record("counter", "long", 1, "count", dict.fromkeys("abcde", "x" * 1000), warn=warn)
    found = samples(memory)
    assert len([key for key in found if key.startswith("handler_seen_total")]) == MAX_ENTRIES
    assert found["handler_seen_total user=0"] == 1
    assert found["mlberth_handler_metrics_dropped_total"] == 22
    assert warnings == ["seen"]


def test_one_name_for_two_kinds() -> None:
    """The page stays one that Prometheus reads: the first kind has the name."""
    memory = bytearray(PAGE_BYTES)
    recorder = Recorder(memory)
    recorder.record("counter", "x_seconds", 1, "count", {})
    recorder.record("time", "x", 1, "s", {})
    found = samples(memory)
    assert found["handler_x_seconds_total"] == 1
    assert "handler_x_seconds_sum" not in found


def test_list_of_answers_is_cut_off(tmp_path: Path) -> None:
    """What has no head of a worker's is counted, over cuts and half lines, and the list stays small."""
    front = DirectResponses(tmp_path)
    front.refresh()  # there is none yet
    assert front.counts == {}
    with (tmp_path / LIST).open("ab", buffering=0) as nginx:
        nginx.write(b"200 0.312\n503 -\n504 -\n502 -, -\n200 -, 0.312\n502 - : 0.3")
        front.refresh()
        nginx.write(b"12\n413 ")
        front.refresh()
        nginx.write(b"-\n" + b"200 0.000\n" * 200_000)
        front.refresh()
        assert (tmp_path / LIST).stat().st_size == 0
        nginx.write(b"503 -\n")
        front.refresh()
    assert front.counts == {503: 2, 504: 1, 502: 1, 413: 1}


def test_long_list_of_answers_takes_little_memory(tmp_path: Path) -> None:
    """What the supervisor needs to read it does not grow with the requests of a second."""
    (tmp_path / LIST).write_bytes(b"200 0.312\n" * 100_000 + b"503 -\n")
    front = DirectResponses(tmp_path)
    tracemalloc.start()
    front.refresh()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert front.counts == {503: 1}
    assert peak < 400_000
