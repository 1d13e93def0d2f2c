"""Automatic scaling of a real endpoint, as the page has it, under a load that rises and falls."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import scaling as bench
from tests.docs.commands import ROOT, blocks
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy
from tests.local.end_to_end.paced_load import PacedLoad
from tests.support import wait_until

PAGE = ROOT / "docs/how-to/scale-endpoints.md"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/sums/variant/AllTraffic",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """Run a daemon whose minute is half a second, with an endpoint."""
    monkeypatch.setenv("MLBERTH_METRIC_MINUTE_SECONDS", "0.5")
    started = Daemon(tmp_path)
    assert started.up().returncode == 0
    deploy(started, "sums")
    yield started
    started.run("down")


def test_instances_follow_the_load_and_no_request_fails(daemon: Daemon) -> None:
    """Three for 8 requests a minute at 3 each, then one; a minute is half a second here."""
    program = [block.content for block in blocks(PAGE) if block.language == "python"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        env=daemon.client_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sagemaker, scaling = client(daemon, "sagemaker"), client(daemon, "application-autoscaling")
    [_, invocations] = sorted(
        scaling.describe_scaling_policies(**TARGET)["ScalingPolicies"],
        key=lambda one: str(one["PolicyType"]),
    )
    config = invocations["TargetTrackingScalingPolicyConfiguration"]
    scaling.put_scaling_policy(
        **TARGET,
        PolicyName="invocations",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={**config, "TargetValue": 3.0},
    )

    def counts() -> tuple[int, str]:
        found: dict[str, Any] = sagemaker.describe_endpoint(EndpointName="sums")
        return found["ProductionVariants"][0]["CurrentInstanceCount"], found["EndpointStatus"]

    with PacedLoad(daemon.port, "sums", 2) as load:
        load.rate = 16
        wait_until(lambda: counts() == (3, "InService"), timeout=60)
        load.rate = 2
        wait_until(lambda: counts() == (1, "InService"), timeout=60)
    assert load.failures == []
    assert len(load.answers) > 30
    activities = scaling.describe_scaling_activities(**TARGET)["ScalingActivities"]
    assert {one["StatusCode"] for one in activities} <= {"Successful", "InProgress"}
    assert "in state ALARM triggered policy invocations" in activities[-1]["Cause"]


@pytest.mark.skipif(os.environ.get("MLBERTH_LONG") != "1", reason="MLBERTH_LONG=1: takes three minutes")
def test_the_run_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """75 minutes of two seconds: at the end of each load there are as many instances as it needs."""
    monkeypatch.setenv("MLBERTH_METRIC_MINUTE_SECONDS", "2")
    daemon = Daemon(tmp_path)
    assert daemon.up().returncode == 0
    try:
        deploy(daemon, "served")
        bench.scale(daemon, 2 * bench.INSTANCE_RATE)
        _, answers, phases = bench.run(daemon, 2)
    finally:
        daemon.run("down")
    assert [one.failure for one in answers if one.failure] == []
    assert [instances for *_, instances in phases] == [1, 3, 5, 2, 1]
