"""Metrics: put, read, calculated with, listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlberth_local.alarms.metric_queries import (
    Queries,
    Result,
    dimensions,
    faults,
    statistic,
    statistic_fault,
)
from mlberth_local.errors import ServiceError
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.store.metrics import Period, Point, Series

_LARGEST = 2.0**360


def put_metric_data(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take values and sets of values."""
    namespace = request["Namespace"]
    for number, one in enumerate(request.get("MetricData") or [], 1):
        _check_values(number, one)
    platform.metrics.put(
        (Series(namespace, one["MetricName"], dimensions(one.get("Dimensions") or [])), point)
        for one in request.get("MetricData") or []
        for point in _points(platform, one)
    )
    return {}


def _check_values(number: int, datum: dict[str, Any]) -> None:
    """Raise ServiceError for a value that is none, or too large: CloudWatch takes from -2^360 to 2^360."""
    place = f"MetricData.member.{number}"
    given = {f"{place}.Value": datum.get("Value")}
    for name in ("SampleCount", "Sum", "Minimum", "Maximum"):
        given[f"{place}.StatisticValues.{name}"] = (datum.get("StatisticValues") or {}).get(name)
    for name in ("Values", "Counts"):
        for index, one in enumerate(datum.get(name) or [], 1):
            given[f"{place}.{name}.member.{index}"] = one
    for name, value in given.items():
        if value is not None and not abs(value) <= _LARGEST:  # `nan` is not less than anything
            text = f"The value {value} for parameter {name} is invalid."
            raise ServiceError("InvalidParameterValue", text)


def _points(platform: Platform, datum: dict[str, Any]) -> Iterator[Point]:
    time = datum.get("Timestamp", platform.clock())
    unit = datum.get("Unit") or "None"
    if (values := datum.get("StatisticValues")) is not None:
        count, total = values["SampleCount"], values["Sum"]
        yield Point(time, total, count, values["Minimum"], values["Maximum"], unit)
    elif datum.get("Values"):
        counts = datum.get("Counts") or [1.0] * len(datum["Values"])
        if len(counts) != len(datum["Values"]):
            text = "The parameters MetricData.member.Values and .Counts must be of the same size."
            raise ServiceError("InvalidParameterValue", text)
        for value, count in zip(datum["Values"], counts, strict=True):
            yield Point(time, value * count, count, value, value, unit)
    elif datum.get("Value") is not None:
        yield Point(time, datum["Value"], unit=unit)
    else:
        text = f"The metric {datum['MetricName']} has none of Value, Values and StatisticValues."
        raise ServiceError("InvalidParameterCombination", text)


def get_metric_statistics(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the statistics of a metric in each period."""
    names = [*(request.get("Statistics") or []), *(request.get("ExtendedStatistics") or [])]
    if not names:
        text = "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        raise ServiceError("InvalidParameterCombination", text)
    for text in filter(None, map(statistic_fault, names)):
        raise ServiceError("InvalidParameterValue", text)
    _check_range(request)
    _check_period(request["Period"])
    series = Series(request["Namespace"], request["MetricName"], dimensions(request.get("Dimensions") or []))
    start = request["StartTime"] // request["Period"] * request["Period"]
    unit = request.get("Unit") or ""
    read = platform.metrics.periods if request.get("ExtendedStatistics") else platform.metrics.totals
    found = read(series, start, request["EndTime"], request["Period"], unit)
    return {"Label": request["MetricName"], "Datapoints": [_datapoint(period, names) for period in found]}


def _check_range(request: dict[str, Any]) -> None:
    if request["StartTime"] >= request["EndTime"]:
        text = "The parameter StartTime must be less than the parameter EndTime."
        raise ServiceError("InvalidParameterValue", text)


def _check_period(length: int) -> None:
    if length not in {1, 5, 10, 20, 30} and length % 60:
        text = f"The parameter Period must be a multiple of 60, or 1, 5, 10, 20 or 30; found {length}."
        raise ServiceError("InvalidParameterValue", text)


def _datapoint(period: Period, names: list[str]) -> dict[str, Any]:
    found = {name: statistic(period, name) for name in names}
    known = {name: value for name, value in found.items() if value is not None}
    percentiles = {name: value for name, value in known.items() if name.startswith("p")}
    return {
        "Timestamp": period.start,
        "Unit": period.points[0].unit,
        **{name: value for name, value in known.items() if name not in percentiles},
        **({"ExtendedStatistics": percentiles} if percentiles else {}),
    }


def get_metric_data(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the values of several metrics and expressions, newest first unless asked otherwise."""
    _check_range(request)
    queries = request["MetricDataQueries"]
    if found := list(faults(queries, "MetricDataQueries")):
        raise ServiceError("ValidationError", " ".join(found))
    for query in queries:
        _check_period(query.get("Period") or (query.get("MetricStat") or {}).get("Period") or 60)
    evaluated = Queries(platform.metrics, queries, request["StartTime"], request["EndTime"])
    results = [
        _result(query["Id"], result, ascending=request.get("ScanBy") == "TimestampAscending")
        for query in queries
        if query.get("ReturnData") is not False
        for result in evaluated.results(query["Id"])
    ]
    return {"MetricDataResults": results, "Messages": []}


def _result(name: str, result: Result, *, ascending: bool) -> dict[str, Any]:
    points = sorted(result.points.items(), reverse=not ascending)
    return {
        "Id": name,
        "Label": result.label,
        "Timestamps": [time for time, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def list_metrics(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the metrics that have points, by namespace, name and dimensions."""
    wanted = request.get("Dimensions") or []
    found = platform.metrics.series(request.get("Namespace") or "", request.get("MetricName") or "")
    return {
        "Metrics": [
            {
                "Namespace": series.namespace,
                "MetricName": series.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions.items()],
            }
            for series in found
            if all(
                one["Name"] in series.dimensions
                and one.get("Value") in {None, series.dimensions[one["Name"]]}
                for one in wanted
            )
        ]
    }


OPERATIONS: dict[str, Operation] = {
    "GetMetricData": get_metric_data,
    "GetMetricStatistics": get_metric_statistics,
    "ListMetrics": list_metrics,
    "PutMetricData": put_metric_data,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "PutMetricData": Exceptions(
        without_effect={
            "StrictEntityValidation": "entities are not kept",
            "MetricData.StorageResolution": "every second is kept",
        },
        refused={"EntityMetricData": "entities are not kept"},
    ),
    "GetMetricData": Exceptions(
        without_effect={
            "NextToken": ONE_PAGE,
            "MaxDatapoints": ONE_PAGE,
            "LabelOptions": "labels have no times",
            "MetricDataQueries.AccountId": "there is one account",
        }
    ),
    "ListMetrics": Exceptions(
        without_effect={
            "NextToken": ONE_PAGE,
            "RecentlyActive": "all are listed",
            "IncludeLinkedAccounts": "there is one account",
            "OwningAccount": "there is one account",
        }
    ),
}
