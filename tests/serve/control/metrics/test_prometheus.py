"""/metrics, whatever handlers call their metrics: read back by Prometheus' own client library."""

from __future__ import annotations

import decimal
import logging
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mlberth_serve.control.metrics.exporter import Exporter
from mlberth_serve.control.metrics.prometheus import Server, render
from mlberth_serve.handler.metrics import HandlerMetrics
from mlberth_serve.shared.metrics_memory import (
    ENTRIES,
    MAX_ENTRIES,
    NAME_BYTES,
    PAGE_BYTES,
    MetricsMemory,
    WorkerMetrics,
    make_series,
)
from mlberth_serve.shared.metrics_recorder import Recorder
from mlberth_serve.shared.run_directory import RunDirectory

LEFT_OUT = "mlberth_handler_metrics_left_out"
DROPPED = "mlberth_handler_metrics_dropped_total"
SUFFIXES = ["", "_total", "_total_total", "_sum", "_count", "_bucket", "_created", "_seconds", "_bytes"]
SUFFIXES += ["_errors", "_percent", "_info", "_"]
HOSTILE = [
    "",
    "\ud800",
    "a\ud800\udfff",
    'q"',
    "b\\",
    "n\n",
    "r\r",
    "\x00\x1b\x7f\x85\u2028",
    "\u202e",
    "😀" * 70,
]
HOSTILE += ["x" * 1_000_000, "__name__", "le", "quantile", "a b", "a-b", "total", "é", " ", "{}", '"} 1\nx 2']

plain = st.builds(str.__add__, st.sampled_from(["x", "n", "x_y", ""]), st.sampled_from(SUFFIXES))
anything = st.text(st.characters(exclude_categories=()), max_size=80)  # with lone surrogates
texts = plain | st.sampled_from(HOSTILE) | anything
numbers = st.sampled_from([1, 0.5, True, np.float32(2), np.int64(7), decimal.Decimal("1.5"), 1e300, 5e-324])
nothings = st.sampled_from(
    [math.nan, math.inf, -math.inf, 10**400, None, "x", 1j, np.float64("nan"), object()]
)
added = st.tuples(
    st.sampled_from(["counter", "time", "size", "percent", "error", "metric"]),
    texts,
    numbers | nothings | st.integers() | st.floats(),
    st.lists(st.tuples(texts, texts | st.just(10**5000)), max_size=6),
    st.integers(0, 1),
)


def read(pages: list[bytearray]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples of a page by name and labels; nothing in it stands there twice."""
    text = render([WorkerMetrics(bytes(page)) for page in pages], Server(started=0, workers=1, loaded=1))
    families = list(text_string_to_metric_families(text))
    assert not [name for name, count in Counter(one.name for one in families).items() if count > 1]
    keys = [
        ((one.name, tuple(sorted(one.labels.items()))), one.value)
        for family in families
        for one in family.samples
    ]
    assert len(dict(keys)) == len(keys)
    return dict(keys)


def add(page: bytearray, kind: str, name: Any, value: Any, dimensions: list[tuple[Any, Any]]) -> None:
    """Add one value as a handler does."""
    named = [SimpleNamespace(name=key, value=text) for key, text in dimensions]
    getattr(HandlerMetrics(Recorder(page)), f"add_{kind}")(name, value, dimensions=named)


@settings(max_examples=150, deadline=None)
@given(st.lists(added, max_size=25))
def test_page_can_be_read_whatever_handlers_add(adds: list[tuple[Any, ...]]) -> None:
    """No metric, label or value breaks the page, doubles a line, or gets lost without being counted."""
    logging.getLogger("mlberth_serve.handler.metrics").setLevel(logging.CRITICAL)
    pages = [bytearray(PAGE_BYTES), bytearray(PAGE_BYTES)]
    for kind, name, value, dimensions, worker in adds:
        # A counter goes up by one here, so that what was added can be counted.
        add(
            pages[worker],
            kind,
            name,
            1 if kind == "counter" and isinstance(value, int) else value,
            dimensions,
        )
    found = read(pages)
    stored = [one for page in pages for one in WorkerMetrics(bytes(page)).entries()]
    labels = {label for series, _, _ in stored for label in series.labels}
    assert {
        label for (name, pairs), _ in found.items() if name.startswith("handler_") for label in pairs
    } <= labels
    assert sum(count for _, _, count in stored) + found[DROPPED, ()] == len(adds)
    for (name, _), value in found.items():
        assert math.isfinite(value), name
    if not found[LEFT_OUT, ()]:
        ours = [(name, value) for (name, _), value in found.items() if name.startswith("handler_")]
        counted = sum(value for name, value in ours if name.endswith("_count"))
        summaries = sum(count for series, _, count in stored if series.kind not in ("counter", "error"))
        assert counted == summaries


@pytest.mark.parametrize(
    ("adds", "expected"),
    [
        ([("metric", "x_seconds", 1), ("time", "x", 5)], {"handler_x_seconds_sum": 1.005}),
        ([("metric", "x_seconds", 1), ("time", "x", 5)], {"handler_x_seconds_count": 2}),
        ([("counter", "n_total", 1), ("counter", "n", 2)], {"handler_n_total": 3}),
        ([("counter", "n_total_total", 1), ("counter", "n", 2)], {"handler_n_total": 3}),
        ([("error", "e", "why"), ("counter", "e_errors", 4)], {"handler_e_errors_total": 5}),
        ([("counter", "n", -1), ("counter", "n", 2)], {"handler_n_total": 2, DROPPED: 1}),
        ([("metric", "m", -1), ("metric", "m", 0.5)], {"handler_m_sum": -0.5, "handler_m_count": 2}),
        ([("metric", "m", 1.7e308), ("metric", "m", 1.7e308)], {"handler_m_sum": 1.7e308, DROPPED: 1}),
        ([("time", "x", 5), ("counter", "x_seconds", 1)], {"handler_x_seconds_total": 1, LEFT_OUT: 1}),
        ([("metric", "n_total", 5), ("counter", "n", 1)], {"handler_n_total": 1, LEFT_OUT: 1}),
        ([("metric", "x_sum", 5), ("metric", "x", 1)], {"handler_x_sum": 1, LEFT_OUT: 1}),
        ([("counter", "n", True), ("counter", "n", np.int8(2))], {"handler_n_total": 3}),
        ([("counter", "n", 12345678901234567)], {"handler_n_total": 12345678901234567.0}),
    ],
)  # fmt: skip
def test_one_series_of_several_kinds(adds: list[tuple[str, str, Any]], expected: dict[str, float]) -> None:
    """What comes to one series is added up; where two kinds want one name, counters have it."""
    for order in (adds, adds[::-1]):
        page = bytearray(PAGE_BYTES)
        for kind, name, value in order:
            add(page, kind, name, value, [])
        found = read([page])
        assert {name: found[name, ()] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("dimensions", "labels"),
    [
        ([("tenant", "\ud800")], {"tenant": "\\ud800"}),
        ([("tenant", "")], {}),
        ([("le", "1"), ("quantile", "2"), ("__name__", "3")], {"le_": "1", "quantile_": "2", "name": "3"}),
        ([("a-b", "1"), ("a b", "2")], {"a_b": "2"}),
        ([("k", 'a"\\\n')], {"k": 'a"\\\\n'}),
        ([("k", "\x1b\u202e\x7f")], {"k": "\\x1b\\u202e\\x7f"}),
        ([("k", "y" * 1_000_000)], {"k": "y" * 64}),
        ([("k", 10**5000)], {"k": "unprintable"}),
        ([("k", "😀" * 30)], {"k": "😀" * 30}),
    ],
)
def test_labels_are_cleaned(dimensions: list[tuple[str, Any]], labels: dict[str, str]) -> None:
    """A label's text is one that the page can hold, when it is recorded and when it is read back."""
    page = bytearray(PAGE_BYTES)
    add(page, "counter", "n", 1, dimensions)
    assert read([page])["handler_n_total", tuple(sorted(labels.items()))] == 1


def test_what_a_page_holds_is_checked_again() -> None:
    """A series that cannot be written is left out and counted, and the others stay."""
    page = bytearray(PAGE_BYTES)
    add(page, "counter", "good", 1, [])
    bad = b'["counter", "bad", {"k": "\\ud800"}]'
    start = ENTRIES + NAME_BYTES + 16
    page[start : start + len(bad)] = bad
    found = read([page])
    assert found["handler_good_total", ()] == found[LEFT_OUT, ()] == 1


def test_successor_writes_over_what_a_dying_worker_left() -> None:
    """A name that was written half hides neither the next one nor what comes after it."""
    page = bytearray(PAGE_BYTES)
    page[ENTRIES + 1 : ENTRIES + 200] = b"x" * 199  # all but the first byte, which comes last
    add(page, "counter", "one", 1, [])
    add(page, "counter", "two", 2, [])
    found = read([page])
    assert (found["handler_one_total", ()], found["handler_two_total", ()]) == (1, 2)


def test_series_are_bounded() -> None:
    """A worker keeps so many series and no more, whatever labels requests bring."""
    page = bytearray(PAGE_BYTES)
    recorder = HandlerMetrics(Recorder(page))
    for number in range(10 * MAX_ENTRIES):
        recorder.add_counter("n", 1, dimensions=[SimpleNamespace(name="id", value=number)])
    found = read([page])
    assert len([name for name, _ in found if name == "handler_n_total"]) == MAX_ENTRIES
    assert found[DROPPED, ()] == 9 * MAX_ENTRIES
    assert make_series("counter", "n", {"id": "0"}) in [
        one for one, _, _ in WorkerMetrics(bytes(page)).entries()
    ]


def test_old_numbers_are_not_kept(tmp_path: Path) -> None:
    """A page that cannot be renewed three times is taken away, and comes back when it can be."""
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "run/state").mkdir(parents=True)
    now = [0.0]
    board = MetricsMemory.create()
    exporter = Exporter(run, board, 1, lambda: 3, clock=lambda: now[0])

    def refresh() -> bool:
        now[0] += 2
        exporter.refresh(1)
        return run.metrics.exists()

    assert refresh()
    blocker = run.metrics.with_name(f".{run.metrics.name}") / "in the way"
    blocker.mkdir(parents=True)
    assert [refresh() for _ in range(3)] == [True, True, False]
    blocker.rmdir()
    blocker.parent.rmdir()
    assert refresh()
