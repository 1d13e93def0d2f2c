"""CloudWatch: metrics put and read. Alarms belong to endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.store.metrics import Period, Point, Series

MOST_POINTS = 1440
_PERCENTILE = re.compile(r"p\d{1,2}(\.\d+)?|p100")


def put_metric_data(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Take values and sets of values."""
    namespace = request["Namespace"]
    platform.metrics.put(
        (Series(namespace, one["MetricName"], _dimensions(one)), point)
        for one in request.get("MetricData") or []
        for point in _points(platform, one)
    )
    return {}


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


def _dimensions(request: dict[str, Any]) -> dict[str, str]:
    return {one["Name"]: one.get("Value", "") for one in request.get("Dimensions") or []}


def get_metric_statistics(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the statistics of a metric in each period."""
    names = [*(request.get("Statistics") or []), *(request.get("ExtendedStatistics") or [])]
    if not names:
        text = "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        raise ServiceError("InvalidParameterCombination", text)
    series = Series(request["Namespace"], request["MetricName"], _dimensions(request))
    found = _periods(platform, series, request, request["Period"], request.get("Unit") or "")
    return {"Label": request["MetricName"], "Datapoints": [_datapoint(period, names) for period in found]}


def _periods(
    platform: Platform, series: Series, request: dict[str, Any], length: int, unit: str
) -> list[Period]:
    start, end = request["StartTime"], request["EndTime"]
    if start >= end:
        text = "The parameter StartTime must be less than the parameter EndTime."
        raise ServiceError("InvalidParameterValue", text)
    if length not in {1, 5, 10, 20, 30} and length % 60:
        text = f"The parameter Period must be a multiple of 60, or 1, 5, 10, 20 or 30; found {length}."
        raise ServiceError("InvalidParameterValue", text)
    found: list[Period] = platform.metrics.periods(series, start // length * length, end, length, unit)
    return found


def _datapoint(period: Period, names: list[str]) -> dict[str, Any]:
    plain = {name: _statistic(period, name) for name in names if not name.startswith("p")}
    percentiles = {name: _statistic(period, name) for name in names if name.startswith("p")}
    return {
        "Timestamp": period.start,
        "Unit": period.points[0].unit,
        **plain,
        **({"ExtendedStatistics": percentiles} if percentiles else {}),
    }


def _statistic(period: Period, name: str) -> float:
    if name not in {"SampleCount", "Sum", "Average", "Minimum", "Maximum"} and not _PERCENTILE.fullmatch(
        name
    ):
        text = f"Found the statistic {name}; expected Average, Sum, Minimum, Maximum, SampleCount or pNN."
        raise ServiceError("InvalidParameterValue", text)
    return period.statistic(name)


def get_metric_data(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return the values of several metrics, newest first unless asked otherwise."""
    results = []
    for query in request["MetricDataQueries"]:
        if query.get("ReturnData") is False:
            continue
        if (stat := query.get("MetricStat")) is None:
            text = f"Metric math and insights are not carried out here (MetricDataQueries, id {query['Id']})."
            raise ServiceError("InvalidParameterValue", text)
        metric = stat["Metric"]
        series = Series(metric.get("Namespace", ""), metric.get("MetricName", ""), _dimensions(metric))
        found = _periods(platform, series, request, stat["Period"], stat.get("Unit") or "")
        if request.get("ScanBy") != "TimestampAscending":
            found.reverse()
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or series.name,
                "Timestamps": [period.start for period in found],
                "Values": [_statistic(period, stat["Stat"]) for period in found],
                "StatusCode": "Complete",
            }
        )
    return {"MetricDataResults": results, "Messages": []}


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
