"""An alarm of a daemon that is killed."""

from __future__ import annotations

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


def test_an_alarm_goes_on_after_a_kill(daemon: Daemon) -> None:
    cloudwatch: Any = boto3.client(
        "cloudwatch",
        endpoint_url=f"http://127.0.0.1:{daemon.port}",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )

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
    )
    wait_until(lambda: state() == "OK", timeout=5)
    pid = int((daemon.home / "daemon.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert daemon.up().returncode == 0
    assert state() == "OK"
    put(2.0)
    wait_until(lambda: state() == "ALARM", timeout=5)
    items = cloudwatch.describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate")
    assert [one["HistorySummary"] for one in items["AlarmHistoryItems"]] == [
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
    ]
