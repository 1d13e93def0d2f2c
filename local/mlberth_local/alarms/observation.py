"""The values that an alarm sees at a moment: those of the periods of its evaluation range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlberth_local.alarms import definition as definitions
from mlberth_local.alarms.definition import Definition
from mlberth_local.alarms.evaluation import EXTRA_PERIODS, Datapoint, breaches
from mlberth_local.alarms.metric_queries import Queries
from mlberth_local.errors import ServiceError
from mlberth_local.store.metrics import Metrics

_SETTLE_SECONDS = 2.0
"""How long after its end a period may get more values: those that are on their way."""
_ONLY_GROWS = {"Sum", "SampleCount", "Maximum"}
_GREATER = {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold"}
_LESS = {"LessThanThreshold", "LessThanOrEqualToThreshold"}


def observe(metrics: Metrics, definition: Definition, now: float) -> list[Datapoint]:
    """Return the periods that have ended, oldest first, and those after them that certainly breach.

    A count that is over the threshold does not come back below it: nobody need wait for the period's end.
    Raises `ServiceError` if an expression has no time series.
    """
    length = definitions.period(definition)
    end = (now - min(_SETTLE_SECONDS, length / 5)) // length * length
    count = definition["EvaluationPeriods"] + EXTRA_PERIODS
    grid = [end - length * number for number in range(count, 0, -1)]
    queries = Queries(metrics, definitions.queries(definition), grid[0], end)
    results = queries.results(definitions.watched(definition))
    if len(results) != 1:
        raise ServiceError("ValidationError", "The expression of an alarm must return one time series.")
    limits, values = _limits(queries, definition, grid), results[0].points
    ended = [
        Datapoint(start, values.get(start) if start in limits else None, *limits.get(start, (0.0, 0.0)))
        for start in grid
    ]
    certain = _certain(metrics, definition, end, now)
    return [*ended, *certain][len(certain) :]


def has_few_samples(metrics: Metrics, definition: Definition, now: float) -> bool:
    """Return whether a percentile says little, and the alarm shall keep its state then."""
    name = definition.get("ExtendedStatistic")
    if not name or definition.get("EvaluateLowSampleCountPercentile") != "ignore":
        return False
    share = float(name.removeprefix("p")) / 100
    needed = round(10 / (1 - share if share >= 0.5 else share), 6) if 0 < share < 1 else 0
    length = definitions.period(definition)
    end = (now - min(_SETTLE_SECONDS, length / 5)) // length * length
    start = end - length * definition["EvaluationPeriods"]
    queries = Queries(metrics, definitions.queries(definition), start, end)
    counts = queries.sample_counts(definitions.ONE_METRIC)
    return any(count < needed for count in counts.values())


def _limits(
    queries: Queries, definition: Definition, grid: Sequence[float]
) -> Mapping[float, tuple[float, float]]:
    """Return the lower and the upper limit of each period that has them."""
    band = definition.get("ThresholdMetricId")
    if band is None:
        return dict.fromkeys(grid, (definition["Threshold"], definition["Threshold"]))
    lower, upper = (result.points for result in queries.results(band))
    return {start: (lower[start], upper[start]) for start in lower}


def _certain(metrics: Metrics, definition: Definition, start: float, now: float) -> list[Datapoint]:
    """Return the periods from `start` on that are over the threshold, whatever may come."""
    operator, statistic = definition["ComparisonOperator"], definition.get("Statistic") or ""
    grows = operator in _GREATER and statistic in _ONLY_GROWS
    if not grows and not (operator in _LESS and statistic == "Minimum"):
        return []
    limit, found = definition["Threshold"], []
    queries = Queries(metrics, definitions.queries(definition), start, now)
    for period in queries.periods(definitions.ONE_METRIC, start, now):
        point = Datapoint(period.start, period.statistic(statistic), limit, limit)
        signed = statistic == "Sum" and period.statistic("Minimum") < 0
        if signed or not breaches(operator, point):
            break
        found.append(point)
    return found
