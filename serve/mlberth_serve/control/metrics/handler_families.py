"""The families of /metrics that handlers gave to `context.metrics`, over all workers.

No two lines of the page may name one series, and no two families one name, whatever a handler calls its
metrics: what comes to the same series is added up, and of two kinds that want one name counters have it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mlberth_serve.shared import metrics_memory
from mlberth_serve.shared.metrics_memory import Series, WorkerMetrics

_SUFFIXES = {"counter": "", "error": "_errors", "time": "_seconds", "size": "_bytes", "percent": "_percent"}
_COUNTERS = ("counter", "error")
_TOTAL = "_total"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_LEFT_OUT = "Series of context.metrics that are not here: another kind has their name, or they are faulty."

_Key = TypeVar("_Key")
_Labels = tuple[tuple[str, str], ...]


@dataclass
class _Family:
    is_counter: bool
    values: dict[_Labels, tuple[float, float]] = field(default_factory=dict)
    """Sum, and how many values were added, by labels."""


def handler_families(pages: Sequence[WorkerMetrics]) -> Iterator[Metric]:
    """Yield what `context.metrics` was given: counts as counters, all else as sum and count."""
    text = "Values of context.metrics beyond what a worker keeps."
    dropped = sum(page.number(metrics_memory.DROPPED) for page in pages)
    yield CounterMetricFamily("mlberth_handler_metrics_dropped", text, dropped)
    totals: dict[Series, tuple[float, float]] = {}
    for page in pages:
        for series, total, count in page.entries():
            _add(totals, series, total, count)
    # Counters first, so that which kind has a name does not depend on who came first in which worker.
    ordered = sorted(totals, key=lambda series: (series.kind not in _COUNTERS, series.kind, series.name))
    families: dict[str, _Family] = {}
    taken: dict[str, str] = {}
    left_out = 0
    for series in ordered:
        name, is_counter = _family_name(series), series.kind in _COUNTERS
        names = _names(name, is_counter=is_counter)
        if not _is_sound(series, totals[series]) or any(taken.get(each, name) != name for each in names):
            left_out += 1
            continue
        family = families.setdefault(name, _Family(is_counter))
        if family.is_counter != is_counter:
            left_out += 1
            continue
        taken |= dict.fromkeys(names, name)
        _add(family.values, series.labels, *totals[series])
    yield GaugeMetricFamily("mlberth_handler_metrics_left_out", _LEFT_OUT, left_out)
    for name, family in families.items():
        yield _metric(name, family)


def _metric(name: str, family: _Family) -> Metric:
    metric = Metric(name, "From the handler.", "counter" if family.is_counter else "summary")
    for labels, (total, count) in family.values.items():
        if family.is_counter:
            metric.add_sample(name + _TOTAL, dict(labels), total)
        else:
            metric.add_sample(name + "_sum", dict(labels), total)
            metric.add_sample(name + "_count", dict(labels), count)
    return metric


def _family_name(series: Series) -> str:
    name = series.name
    while name.endswith(_TOTAL):  # the page puts it behind a counter's name, and readers take it away
        name = name.removesuffix(_TOTAL)
    return f"handler_{name}{_SUFFIXES.get(series.kind, '')}"


def _names(family: str, *, is_counter: bool) -> tuple[str, ...]:
    """Return the names that a family and its samples have in the page."""
    return (family, family + _TOTAL) if is_counter else (family, f"{family}_sum", f"{family}_count")


def _is_sound(series: Series, value: tuple[float, float]) -> bool:
    """Return whether the page can be read with a series in it."""
    texts = [text for label in series.labels for text in label]
    names = [series.name, *(name for name, _ in series.labels)]
    return (
        all(isinstance(text, str) and _is_encodable(text) for text in texts)
        and all(_NAME.fullmatch(name) for name in names)
        and all(map(math.isfinite, value))
    )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add(totals: dict[_Key, tuple[float, float]], key: _Key, total: float, count: float) -> None:
    before = totals.get(key, (0.0, 0.0))
    totals[key] = before[0] + total, before[1] + count
