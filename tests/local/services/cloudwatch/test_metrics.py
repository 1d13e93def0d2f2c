"""Tests of CloudWatch, with boto3."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

START = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)
WHEN = {"StartTime": START, "EndTime": START + timedelta(minutes=3)}
JOB = [{"Name": "TrainingJobName", "Value": "j"}]


@pytest.fixture(scope="module")
def cloudwatch(front: Any) -> Any:
    """Return a client, after it has put four values in two minutes."""
    client = front.client("cloudwatch")
    points = [(0, 1.0), (30, 3.0), (60, 10.0), (119, 20.0)]
    client.put_metric_data(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricData=[
            {
                "MetricName": "loss",
                "Dimensions": JOB,
                "Timestamp": START + timedelta(seconds=s),
                "Value": value,
            }
            for s, value in points
        ],
    )
    return client


def test_statistics(cloudwatch: Any) -> None:
    statistics = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"]
    found = cloudwatch.get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="loss",
        Dimensions=JOB,
        Period=60,
        Statistics=statistics,
        **WHEN,
    )["Datapoints"]
    rows = [[point["Timestamp"], *(point[name] for name in statistics)] for point in found]
    assert rows == [[START, 2, 4, 1, 3, 2], [START + timedelta(minutes=1), 15, 30, 10, 20, 2]]


def test_data_of_several_metrics(cloudwatch: Any) -> None:
    metric = {"Namespace": "/aws/sagemaker/TrainingJobs", "MetricName": "loss", "Dimensions": JOB}
    queries = [
        {"Id": stat.lower(), "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}}
        for stat in ("Maximum", "p50")
    ]
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, ScanBy="TimestampAscending", **WHEN)
    assert [one["Values"] for one in found["MetricDataResults"]] == [[3, 20], [1, 10]]


def test_sets_of_values(cloudwatch: Any) -> None:
    data = [
        {"MetricName": "m", "Timestamp": START, "Values": [1.0, 5.0], "Counts": [3.0, 1.0]},
        {
            "MetricName": "m",
            "Timestamp": START,
            "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 8, "Maximum": 12},
        },
    ]
    cloudwatch.put_metric_data(Namespace="N", MetricData=data)
    found = cloudwatch.get_metric_statistics(
        Namespace="N",
        MetricName="m",
        Period=60,
        Statistics=["Sum", "SampleCount", "Minimum", "Maximum"],
        **WHEN,
    )["Datapoints"][0]
    assert [found[name] for name in ("Sum", "SampleCount", "Minimum", "Maximum")] == [28, 6, 1, 12]


def test_metrics_are_listed(cloudwatch: Any) -> None:
    found = cloudwatch.list_metrics(Dimensions=JOB)["Metrics"]
    assert [(one["MetricName"], one["Dimensions"]) for one in found] == [("loss", JOB)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Period": 61}, "Period must be a multiple of 60"),
        ({"Statistics": []}, "Statistics"),
        ({"EndTime": START}, "StartTime must be less than"),
        ({"Statistics": ["Median"]}, "enum value set"),
    ],
)
def test_faults(front: Any, change: dict[str, Any], words: str) -> None:
    request = {"Namespace": "N", "MetricName": "m", "Period": 60, "Statistics": ["Sum"], **WHEN}
    with pytest.raises(ClientError, match=words):
        front.client("cloudwatch", parameter_validation=False).get_metric_statistics(**{**request, **change})


def test_the_query_protocol_of_older_clients(front: Any) -> None:
    version = {"Version": "2010-08-01", "Namespace": "Queried"}
    member = "MetricData.member.1"
    put = {f"{member}.MetricName": "m", f"{member}.Value": "2.5", f"{member}.Dimensions.member.1.Name": "a"}
    put[f"{member}.Dimensions.member.1.Value"] = "b"
    answer = requests.post(front.url, data={"Action": "PutMetricData", **version, **put}, timeout=5)
    assert answer.status_code == 200
    listed = requests.post(front.url, data={"Action": "ListMetrics", **version}, timeout=5).text
    assert "<MetricName>m</MetricName><Dimensions><member><Name>a</Name><Value>b</Value></member>" in listed
    failed = requests.post(front.url, data={"Action": "GetMetricStatistics", **version}, timeout=5)
    assert (failed.status_code, "4 validation errors detected: " in failed.text) == (400, True)


def test_expressions(cloudwatch: Any) -> None:
    """Metric math over the metrics of the same request, and arrays as several results."""
    stat = {
        "Metric": {"Namespace": "/aws/sagemaker/TrainingJobs", "MetricName": "loss", "Dimensions": JOB},
        "Period": 60,
    }
    queries = [
        {"Id": "low", "MetricStat": {**stat, "Stat": "Minimum"}, "ReturnData": False},
        {"Id": "high", "MetricStat": {**stat, "Stat": "Maximum"}, "ReturnData": False},
        {"Id": "spread", "Expression": "high - low", "Label": "the spread"},
        {"Id": "twice", "Expression": "spread * 2"},
        {"Id": "both", "Expression": "METRICS()"},
    ]
    found = cloudwatch.get_metric_data(MetricDataQueries=queries, **WHEN)["MetricDataResults"]
    assert [(one["Id"], one["Label"], one["Values"]) for one in found] == [
        ("spread", "the spread", [10, 2]),
        ("twice", "twice", [20, 4]),
        ("both", "both 1", [10, 1]),
        ("both", "both 2", [20, 3]),
    ]


@pytest.mark.parametrize(
    ("expressions", "words"),
    [
        ({"a": "b + 1", "b": "a + 1"}, "need one another"),
        ({"a": "1 + 1"}, "is a single number"),
        ({"a": "SEARCH('x')"}, "SEARCH is not carried out"),
        ({"a": "x"}, "names x, which is no id"),
    ],
)
def test_faults_of_expressions(cloudwatch: Any, expressions: dict[str, str], words: str) -> None:
    queries = [{"Id": name, "Expression": text} for name, text in expressions.items()]
    with pytest.raises(ClientError, match=words):
        cloudwatch.get_metric_data(MetricDataQueries=queries, **WHEN)


def test_a_set_of_statistics_has_no_percentiles(cloudwatch: Any) -> None:
    datum = {
        "MetricName": "set",
        "Timestamp": START,
        "StatisticValues": {"SampleCount": 2, "Sum": 20, "Minimum": 8, "Maximum": 12},
    }
    cloudwatch.put_metric_data(Namespace="N", MetricData=[datum])
    found = cloudwatch.get_metric_statistics(
        Namespace="N", MetricName="set", Period=60, Statistics=["Sum"], ExtendedStatistics=["p50"], **WHEN
    )["Datapoints"]
    assert [one["Sum"] for one in found] == [20]
    assert "ExtendedStatistics" not in found[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 2.0**361])
def test_values_that_are_refused(cloudwatch: Any, value: float) -> None:
    """A number that is none, or too large, is no value; the error names its place, and nothing is kept."""
    statistics = {"SampleCount": 1.0, "Sum": 1.0, "Minimum": 1.0, "Maximum": 1.0}
    members: list[tuple[str, dict[str, Any]]] = [
        ("Value", {"Value": value}),
        ("Values.member.2", {"Values": [1.0, value]}),
        ("Counts.member.1", {"Values": [1.0], "Counts": [value]}),
        ("StatisticValues.Minimum", {"StatisticValues": {**statistics, "Minimum": value}}),
    ]
    for place, member in members:
        data = [{"MetricName": "refused", "Value": 1.0}, {"MetricName": "refused", **member}]
        with pytest.raises(ClientError, match=rf"MetricData\.member\.2\.{place} is invalid") as raised:
            cloudwatch.put_metric_data(Namespace="N", MetricData=data)
        assert raised.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert cloudwatch.list_metrics(MetricName="refused")["Metrics"] == []
