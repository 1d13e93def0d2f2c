"""An alarm of a daemon that is killed, and its message to a topic."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.local.end_to_end.daemon import Daemon
from tests.support import is_alive, wait_until


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Run a platform without Docker, and end it after the test."""
    started = Daemon(tmp_path)
    assert started.up().returncode == 0
    yield started
    started.run("down")


def client(daemon: Daemon, service: str) -> Any:
    """Return a client of the daemon."""
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{daemon.port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def test_an_alarm_goes_on_after_a_kill(daemon: Daemon) -> None:
    cloudwatch, sns = client(daemon, "cloudwatch"), client(daemon, "sns")
    topic = sns.create_topic(Name="t")["TopicArn"]

    def put(value: float) -> None:
        cloudwatch.put_metric_data(Namespace="N", MetricData=[{"MetricName": "m", "Value": value}])

    def state() -> str:
        found = cloudwatch.describe_alarms(AlarmNames=["a"])["MetricAlarms"][0]["StateValue"]
        return str(found)

    cloudwatch.put_metric_alarm(
        AlarmName="a",
        Namespace="N",
        MetricName="m",
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )
    wait_until(lambda: state() == "OK")
    pid = int((daemon.home / "daemon.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert daemon.up().returncode == 0
    assert state() == "OK"
    put(2.0)
    wait_until(lambda: state() == "ALARM")

    def history() -> list[str]:
        items = cloudwatch.describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate")
        return [one["HistorySummary"] for one in items["AlarmHistoryItems"]]

    # An alarm's state is there first; what follows from it comes after it.
    updates = ["Alarm updated from OK to ALARM", "Alarm updated from INSUFFICIENT_DATA to OK"]
    wait_until(lambda: history() == updates)
    file = daemon.home / "sns" / "t.jsonl"
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    messages = file.read_text().splitlines()
    [message] = [json.loads(line) for line in messages]
    assert message["Subject"] == 'ALARM: "a" in us-east-1'
    body = json.loads(message["Message"])
    assert (body["OldStateValue"], body["NewStateValue"]) == ("OK", "ALARM")
    assert body["Trigger"]["Statistic"] == "MAXIMUM"
