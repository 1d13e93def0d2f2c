"""An alarm's definition: the request of PutMetricAlarm, checked, and what is watched as queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlberth_local.alarms import metric_queries
from mlberth_local.errors import ServiceError

Definition = Mapping[str, Any]
"""The request of PutMetricAlarm."""
ONE_METRIC = "metric"
"""The id of the query of an alarm that watches one metric."""
BAND_OPERATORS = (
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
)
MISSING = ("breaching", "notBreaching", "ignore", "missing")
LOW_COUNTS = ("evaluate", "ignore")
_ACTIONS = ("OKActions", "AlarmActions", "InsufficientDataActions")
_ACTION_SERVICES = ("sns", "autoscaling")
_DAY = 86400
_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")


def check(request: Definition) -> None:
    """Raise `ServiceError` with all faults of a request."""
    # The model leaves out that these are needed, as alarms of another kind have them elsewhere.
    needed = {"ComparisonOperator": _threshold_faults, "EvaluationPeriods": _period_faults}
    found = [
        *_watched_faults(request),
        *(f"The parameter {name} must be given." for name in needed if request.get(name) is None),
        *(
            text
            for name, faults in needed.items()
            if request.get(name) is not None
            for text in faults(request)
        ),
        *_word_faults(request),
        *_action_faults(request),
    ]
    if found:
        raise ServiceError("ValidationError", " ".join(found))


def queries(definition: Definition) -> Sequence[Mapping[str, Any]]:
    """Return what an alarm watches as queries."""
    if metrics := definition.get("Metrics"):
        return list(metrics)
    metric = {name: definition.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    stat = {
        "Metric": metric,
        "Period": definition["Period"],
        "Stat": definition.get("Statistic") or definition["ExtendedStatistic"],
        "Unit": definition.get("Unit"),
    }
    return [{"Id": ONE_METRIC, "MetricStat": stat}]


def watched(definition: Definition) -> str:
    """Return the id of the query that is compared with the threshold."""
    returned = [one["Id"] for one in queries(definition) if one.get("ReturnData") is not False]
    return str(next(one for one in returned if one != definition.get("ThresholdMetricId")))


def period(definition: Definition) -> float:
    """Return the length of a period, in seconds."""
    found = queries(definition)
    query = next(one for one in found if one["Id"] == watched(definition))
    stats = [one["MetricStat"]["Period"] for one in found if "MetricStat" in one]
    own = query["MetricStat"]["Period"] if "MetricStat" in query else query.get("Period")
    return float(own or max(stats, default=60))


def _watched_faults(request: Definition) -> Iterator[str]:
    metrics = request.get("Metrics")
    if not metrics:
        for name in ("MetricName", "Namespace", "Period"):
            if request.get(name) is None:
                yield f"The parameter {name} must be given if there is no parameter Metrics."
        statistics = [request[name] for name in ("Statistic", "ExtendedStatistic") if request.get(name)]
        if len(statistics) != 1:
            yield "Exactly one of the parameters Statistic and ExtendedStatistic must be given."
        elif (text := metric_queries.statistic_fault(statistics[0])) is not None:
            yield text
        return
    both = [name for name in _OF_ONE_METRIC if request.get(name)]
    if both:
        yield f"The parameters {', '.join(both)} cannot be given beside Metrics."
    found = list(metric_queries.faults(metrics, "Metrics"))
    yield from found
    returned = [one["Id"] for one in metrics if one.get("ReturnData") is not False]
    band = request.get("ThresholdMetricId")
    if len([one for one in returned if one != band]) != 1:
        yield f"Exactly one of Metrics must have ReturnData; found {', '.join(returned) or 'none'}."
    if not any("MetricStat" in one for one in metrics):
        yield "At least one of Metrics must be a metric."
    if len({one["MetricStat"]["Period"] for one in metrics if "MetricStat" in one}) > 1:
        yield "The metrics of an alarm must have the same Period."


def _threshold_faults(request: Definition) -> Iterator[str]:
    operator, band = request["ComparisonOperator"], request.get("ThresholdMetricId")
    if operator in BAND_OPERATORS:
        found = [one for one in request.get("Metrics") or [] if one["Id"] == band]
        if not found or "ANOMALY_DETECTION_BAND" not in (found[0].get("Expression") or "").upper():
            yield f"{operator} needs a ThresholdMetricId: the id of an ANOMALY_DETECTION_BAND in Metrics."
        if request.get("Threshold") is not None:
            yield f"A Threshold cannot be given with {operator}."
    else:
        if request.get("Threshold") is None:
            yield f"The parameter Threshold must be given with {operator}."
        if band:
            yield f"A ThresholdMetricId cannot be given with {operator}."


def _period_faults(request: Definition) -> Iterator[str]:
    stats = [one["MetricStat"] for one in request.get("Metrics") or [] if "MetricStat" in one]
    lengths = {int(one["Period"]) for one in (request, *stats) if one.get("Period")}
    for length in sorted(lengths):
        if length not in {10, 20, 30} and length % 60:
            yield f"The parameter Period must be 10, 20, 30 or a multiple of 60; found {length}."
    count = request["EvaluationPeriods"]
    most = _DAY if max(lengths, default=60) < 3600 else 7 * _DAY
    if count * max(lengths, default=60) > most:
        yield f"Metrics cannot be checked across more than {most} seconds (EvaluationPeriods * Period)."
    if request.get("DatapointsToAlarm", 1) > count:
        yield f"DatapointsToAlarm must not be more than EvaluationPeriods, which is {count}."


def _word_faults(request: Definition) -> Iterator[str]:
    for name, words in (("TreatMissingData", MISSING), ("EvaluateLowSampleCountPercentile", LOW_COUNTS)):
        value = request.get(name)
        if value is not None and value not in words:
            yield f"The value {value} for {name} is not one of {', '.join(words)}."


def _action_faults(request: Definition) -> Iterator[str]:
    for name in _ACTIONS:
        for arn in request.get(name) or []:
            parts = arn.split(":")
            if len(parts) < 6 or parts[0] != "arn" or parts[2] not in _ACTION_SERVICES:
                yield f"Invalid action {arn!r} in {name}: expected the ARN of a topic or a scaling policy."
