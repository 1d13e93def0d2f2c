"""Queries of metrics and of expressions over them, as GetMetricData and alarms have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlberth_local.alarms import metric_math
from mlberth_local.alarms.expressions import ExpressionError, Name, Node, nodes, parse
from mlberth_local.alarms.metric_math import Points, Scope
from mlberth_local.errors import ServiceError
from mlberth_local.store.metrics import Metrics, Period, Series

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(100|\d{1,2}(\.\d+)?)")
_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_HISTORY_PERIODS = 1440
"""How many periods before the range a band is made of."""
Dimensions = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Result:
    """The values of one query; arrays and bands have several."""

    label: str
    points: Points


def faults(queries: Sequence[Mapping[str, Any]], member: str) -> Iterator[str]:
    """Yield what is wrong with queries; `member` is the parameter that they are in."""
    ids = [str(query.get("Id")) for query in queries]
    for name in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"The id {name} of {member} is not unique."
    for query in queries:
        place = f"{member}, id {query['Id']}"
        if not _ID.fullmatch(str(query["Id"])):
            yield f"The id {query['Id']} of {member} must be a lowercase letter, then letters, digits or _."
        if ("MetricStat" in query) == ("Expression" in query):
            yield f"Exactly one of MetricStat and Expression must be given ({place})."
        elif "MetricStat" in query:
            if (text := statistic_fault(query["MetricStat"]["Stat"])) is not None:
                yield f"{text} ({place})"
        else:
            try:
                tree = parse(query["Expression"])
                metric_math.check(tree)
                unknown = sorted(_names(tree) - {*ids})
                if unknown:
                    yield f"The expression of {place} names {', '.join(unknown)}, which is no id."
            except ExpressionError as error:
                yield f"{error} ({place})"


def _names(tree: Node) -> set[str]:
    found = {node.name for node in nodes(tree) if isinstance(node, Name)}
    return found - {"REPEAT", "LINEAR"}


def statistic_fault(name: str) -> str | None:
    """Return what is wrong with the name of a statistic, if anything is."""
    if name in STATISTICS or _PERCENTILE.fullmatch(name):
        return None
    return f"Found the statistic {name}; expected Average, Sum, Minimum, Maximum, SampleCount or pNN."


def statistic(period: Period, name: str) -> float | None:
    """Return a statistic of a period; None for a percentile if single values are not known."""
    if name in STATISTICS or period.has_values:
        return period.statistic(name)
    return None


def dimensions(found: Dimensions) -> dict[str, str]:
    """Return a request's dimensions by name."""
    return {one["Name"]: one.get("Value", "") for one in found}


class Queries:
    """Queries of one request over one range of time. Times are seconds since the epoch."""

    def __init__(
        self, metrics: Metrics, queries: Sequence[Mapping[str, Any]], start: float, end: float
    ) -> None:
        self._metrics = metrics
        self._queries = {query["Id"]: query for query in queries}
        self._start = start
        self._end = end
        self._open: list[str] = []

    def results(self, name: str) -> list[Result]:
        """Return the values of a query. Raises `ServiceError`."""
        label = self._queries[name].get("Label") or self._default_label(name)
        try:
            value = self._value(name)
        except ExpressionError as error:
            raise ServiceError("ValidationError", f"{error} (id {name})") from None
        if isinstance(value, list):
            return [Result(f"{label} {number}", points) for number, points in enumerate(value, 1)]
        if not isinstance(value, dict):
            text = f"The expression of {name} is a single number; expected a time series."
            raise ServiceError("ValidationError", text)
        return [Result(label, value)]

    def period(self, name: str) -> float:
        """Return the period of a query, in seconds: that of its metric, or the longest of its metrics."""
        query = self._queries[name]
        if (metric := query.get("MetricStat")) is not None:
            return float(metric["Period"])
        metrics = [one["MetricStat"]["Period"] for one in self._queries.values() if "MetricStat" in one]
        return float(query.get("Period") or max(metrics, default=60))

    def sample_counts(self, name: str) -> Points:
        """Return how many samples each period of a metric has."""
        return {one.start: one.statistic("SampleCount") for one in self.periods(name, self._start, self._end)}

    def _default_label(self, name: str) -> str:
        metric = self._queries[name].get("MetricStat")
        return str(metric["Metric"].get("MetricName", "")) if metric else name

    def _value(self, name: str) -> metric_math.Value:
        query = self._queries[name]
        if "MetricStat" in query:
            return self._points(name, self._start, self._end)
        if name in self._open:
            raise ExpressionError(f"The expressions of {', '.join(self._open)} need one another.")
        self._open.append(name)
        try:
            return metric_math.evaluate(parse(query["Expression"]), self._scope(name))
        finally:
            self._open.pop()

    def _scope(self, name: str) -> Scope:
        period = self.period(name)
        first = self._start // period * period
        count = max(0, round((self._end - first) / period + 0.499))
        return Scope(
            lookup=self._lookup,
            metrics=[one for one, query in self._queries.items() if "MetricStat" in query],
            grid=[first + period * number for number in range(count)],
            period=period,
            history=self._history,
        )

    def _lookup(self, name: str) -> Points | list[Points] | float:
        value = self._value(name)
        assert not isinstance(value, str)
        return value

    def _history(self, name: str) -> list[float]:
        if "MetricStat" not in self._queries.get(name, {}):
            raise ExpressionError(f"ANOMALY_DETECTION_BAND: expected the id of a metric, found {name}.")
        span = self.period(name) * _HISTORY_PERIODS
        return list(self._points(name, self._start - span, self._start).values())

    def _points(self, name: str, start: float, end: float) -> Points:
        stat = self._queries[name]["MetricStat"]["Stat"]
        periods = self.periods(name, start, end, singly=stat not in STATISTICS)
        found = {one.start: statistic(one, stat) for one in periods}
        return {time: value for time, value in found.items() if value is not None}

    def periods(self, name: str, start: float, end: float, *, singly: bool = False) -> list[Period]:
        """Return the periods of a metric that have values, from `start` up to `end`; `singly` with each."""
        metric = self._queries[name]["MetricStat"]
        what, length = metric["Metric"], float(metric["Period"])
        series = Series(
            what.get("Namespace", ""), what.get("MetricName", ""), dimensions(what.get("Dimensions") or [])
        )
        start = start // length * length
        read = self._metrics.periods if singly else self._metrics.totals
        return read(series, start, end, length, metric.get("Unit") or "")
