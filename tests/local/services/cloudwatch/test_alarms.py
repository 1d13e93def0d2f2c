"""Tests of alarms with boto3, and in the query protocol of older clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from tests.support import wait_until

from mlberth_local.alarms.evaluator import Evaluator

ALARM: dict[str, Any] = {
    "AlarmName": "errors",
    "Namespace": "N",
    "MetricName": "errors",
    "Statistic": "Sum",
    "Period": 10,
    "EvaluationPeriods": 1,
    "Threshold": 2.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
}
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
STAT = {"Metric": {"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}


@pytest.fixture
def cloudwatch(front: Any) -> Iterator[Any]:
    """Return a client; the test's alarms are gone after it."""
    client = front.client("cloudwatch", parameter_validation=False)
    yield client
    client.delete_alarms(AlarmNames=[one["AlarmName"] for one in client.describe_alarms()["MetricAlarms"]])


def test_an_alarm_goes_off_within_its_period(front: Any, cloudwatch: Any) -> None:
    """The thread judges it on the metrics that clients put."""
    evaluator = Evaluator(front.platform.alarms)
    evaluator.start()
    try:
        cloudwatch.put_metric_alarm(**ALARM, AlarmActions=[TOPIC], AlarmDescription="too many")
        data = {"MetricName": "errors", "Dimensions": ALARM["Dimensions"], "Value": 3.0}
        cloudwatch.put_metric_data(Namespace="N", MetricData=[data])
        wait_until(lambda: front.platform.alarms.state_of("errors") == "ALARM", timeout=5)
        wait_until(lambda: [arn for arn, _ in front.actions] == [TOPIC])
    finally:
        evaluator.stop()
    found = cloudwatch.describe_alarms(AlarmNames=["errors"])["MetricAlarms"][0]
    assert {name: found[name] for name in ALARM} == ALARM
    assert found["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:000000000000:alarm:errors"
    assert (found["StateValue"], found["AlarmDescription"]) == ("ALARM", "too many")
    assert found["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [3.0 (")
    assert json.loads(found["StateReasonData"])["recentDatapoints"] == [3.0]
    message = front.actions.pop()[1]
    assert (message.old, message.new, message.reason) == ("INSUFFICIENT_DATA", "ALARM", found["StateReason"])


def test_alarms_are_found(cloudwatch: Any) -> None:
    for number in range(5):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": f"a{number}"}, OKActions=[TOPIC] * (number == 3))
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "b"})
    cloudwatch.set_alarm_state(AlarmName="a2", StateValue="OK", StateReason="r")

    def names(**filters: Any) -> list[str]:
        return [one["AlarmName"] for one in cloudwatch.describe_alarms(**filters)["MetricAlarms"]]

    assert names(AlarmNamePrefix="a") == ["a0", "a1", "a2", "a3", "a4"]
    assert names(AlarmNames=["b", "a1", "absent"]) == ["a1", "b"]
    assert names(StateValue="OK") == ["a2"]
    assert names(ActionPrefix="arn:aws:sns") == ["a3"]
    assert names(AlarmTypes=["CompositeAlarm"]) == []
    pages = cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 4})
    assert [len(page["MetricAlarms"]) for page in pages] == [4, 2]
    of_metric = cloudwatch.describe_alarms_for_metric(
        Namespace="N", MetricName="errors", Dimensions=ALARM["Dimensions"]
    )
    assert len(of_metric["MetricAlarms"]) == 6
    other = cloudwatch.describe_alarms_for_metric(Namespace="N", MetricName="errors")
    assert other["MetricAlarms"] == []


def test_the_history(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "h"}, AlarmActions=[TOPIC])
    for state in ("OK", "ALARM"):
        cloudwatch.set_alarm_state(
            AlarmName="h", StateValue=state, StateReason="r", StateReasonData='{"k": 1}'
        )
    cloudwatch.disable_alarm_actions(AlarmNames=["h", "absent"])
    cloudwatch.enable_alarm_actions(AlarmNames=["h"])
    cloudwatch.delete_alarms(AlarmNames=["h"])

    def items(**filters: Any) -> list[tuple[str, str]]:
        pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
            AlarmName="h", **filters, PaginationConfig={"PageSize": 3}
        )
        found = [item for page in pages for item in page["AlarmHistoryItems"]]
        return [(item["HistoryItemType"], item["HistorySummary"]) for item in found]

    everything = [
        ("ConfigurationUpdate", 'Alarm "h" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to OK"),
        ("StateUpdate", "Alarm updated from OK to ALARM"),
        ("Action", f"Successfully executed action {TOPIC}"),
        ("ConfigurationUpdate", 'Actions of alarm "h" disabled'),
        ("ConfigurationUpdate", 'Actions of alarm "h" enabled'),
        ("ConfigurationUpdate", 'Alarm "h" deleted'),
    ]
    assert items() == everything[::-1]
    assert items(ScanBy="TimestampAscending", HistoryItemType="StateUpdate") == everything[1:3]
    assert items(StartDate=time.time() + 60) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Namespace": None, "MetricName": None}, "MetricName must be given.*Namespace must be given"),
        ({"Statistic": None}, "Exactly one of the parameters Statistic and ExtendedStatistic"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of the parameters Statistic and ExtendedStatistic"),
        ({"Statistic": None, "ExtendedStatistic": "tm90"}, "Found the statistic tm90"),
        ({"Period": 15}, "must be 10, 20, 30 or a multiple of 60; found 15"),
        ({"Period": 60, "EvaluationPeriods": 1441}, "across more than 86400 seconds"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm must not be more than EvaluationPeriods"),
        ({"Threshold": None}, "Threshold must be given with GreaterThanThreshold"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "needs a ThresholdMetricId.*A Threshold cannot"),
        ({"ComparisonOperator": "Above"}, "Member must satisfy enum value set"),
        ({"TreatMissingData": "never"}, "value never for TreatMissingData is not one of breaching"),
        ({"EvaluateLowSampleCountPercentile": "x"}, "is not one of evaluate, ignore"),
        ({"AlarmActions": ["arn:aws:lambda:us-east-1:0:function:f"]}, "Invalid action"),
        (
            {"EvaluationPeriods": None, "ComparisonOperator": None},
            "ComparisonOperator must.*EvaluationPeriods must",
        ),
        ({"EvaluationPeriods": 0}, "greater than or equal to 1"),
        ({"Metrics": [{"Id": "m", "MetricStat": STAT}]}, "cannot be given beside Metrics"),
        ({"EvaluationInterval": 60}, "EvaluationInterval is not supported here"),
    ],
)
def test_faults(cloudwatch: Any, change: dict[str, Any], words: str) -> None:
    request = {name: value for name, value in (ALARM | change).items() if value is not None}
    with pytest.raises(ClientError, match=words):
        cloudwatch.put_metric_alarm(**request)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ([{"Id": "M", "MetricStat": STAT}], "must be a lowercase letter"),
        (
            [{"Id": "m", "MetricStat": STAT}, {"Id": "m", "Expression": "1"}],
            "The id m of Metrics is not unique",
        ),
        ([{"Id": "m", "MetricStat": STAT, "Expression": "1"}], "Exactly one of MetricStat and Expression"),
        ([{"Id": "m", "MetricStat": STAT}, {"Id": "e", "Expression": "m * x"}], "names x, which is no id"),
        ([{"Id": "m", "MetricStat": STAT}, {"Id": "e", "Expression": "m *"}], "Found the end"),
        (
            [{"Id": "m", "MetricStat": STAT}, {"Id": "e", "Expression": "m"}],
            "must have ReturnData; found m, e",
        ),
        ([{"Id": "e", "Expression": "TIME_SERIES(1)"}], "At least one of Metrics must be a metric"),
        (
            [
                {"Id": "m", "MetricStat": STAT},
                {"Id": "n", "MetricStat": STAT | {"Period": 120}, "ReturnData": False},
            ],
            "must have the same Period",
        ),
    ],
)
def test_faults_of_queries(cloudwatch: Any, metrics: list[dict[str, Any]], words: str) -> None:
    kept = ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")
    with pytest.raises(ClientError, match=words):
        cloudwatch.put_metric_alarm(**{name: ALARM[name] for name in kept}, Metrics=metrics)


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("set_alarm_state", {"AlarmName": "x", "StateValue": "OK", "StateReason": "r"}, "ResourceNotFound"),
        ("delete_alarms", {"AlarmNames": ["x"]}, "ResourceNotFound"),
        ("describe_alarms", {"NextToken": "x"}, "InvalidNextToken"),
        ("describe_alarms", {"AlarmNames": ["x"], "AlarmNamePrefix": "x"}, "InvalidParameterCombination"),
        (
            "set_alarm_state",
            {"AlarmName": "x", "StateValue": "OK", "StateReason": "r", "StateReasonData": "{"},
            "InvalidFormat",
        ),
    ],
)
def test_codes(cloudwatch: Any, operation: str, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as raised:
        getattr(cloudwatch, operation)(**request_)
    assert raised.value.response["Error"]["Code"] == code


def test_the_query_protocol_of_older_clients(front: Any, cloudwatch: Any) -> None:
    version = {"Version": "2010-08-01"}
    put = {name: str(value) for name, value in ALARM.items() if name != "Dimensions"}
    put |= {"Dimensions.member.1.Name": "a", "Dimensions.member.1.Value": "b", "OKActions.member.1": TOPIC}
    answer = requests.post(front.url, data={"Action": "PutMetricAlarm", **version, **put}, timeout=5)
    assert answer.status_code == 200, answer.text
    set_ = {"AlarmName": "errors", "StateValue": "OK", "StateReason": "r"}
    answer = requests.post(front.url, data={"Action": "SetAlarmState", **version, **set_}, timeout=5)
    assert answer.status_code == 200, answer.text
    listed = requests.post(front.url, data={"Action": "DescribeAlarms", **version}, timeout=5).text
    for text in ("<StateValue>OK</StateValue>", "<Period>10</Period>", f"<member>{TOPIC}</member>"):
        assert text in listed
    unknown = {"Action": "DeleteAlarms", **version, "AlarmNames.member.1": "absent"}
    failed = requests.post(front.url, data=unknown, timeout=5)
    assert (failed.status_code, "<Code>ResourceNotFound</Code>" in failed.text) == (404, True)
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["Dimensions"] == [{"Name": "a", "Value": "b"}]
