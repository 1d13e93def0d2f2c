"""Guarded deployments behind the gateway of `mlberth up`: under load, and by the documentation's example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.commands import commands
from tests.docs.test_commands import shell
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, deploy, put_alarm, wait
from tests.local.end_to_end.load import Load
from tests.support import wait_until

ROOT = Path(__file__).resolve().parents[3]
ALARM = "errors"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a daemon for the tests of this file, with the endpoint `served`."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"))
    assert daemon.up().returncode == 0
    deploy(daemon, "served")
    yield daemon
    assert daemon.run("down").returncode == 0


def update(daemon: Daemon, config: str, policy: dict[str, Any]) -> None:
    """Begin to deploy a new configuration of the same model, with two instances."""
    sagemaker = client(daemon, "sagemaker")
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": "served",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 2,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=config, ProductionVariants=[variant])
    deployment = {**policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": ALARM}]}}
    sagemaker.update_endpoint(EndpointName="served", EndpointConfigName=config, DeploymentConfig=deployment)


def describe(daemon: Daemon) -> dict[str, Any]:
    """Return the endpoint's description."""
    return dict(client(daemon, "sagemaker").describe_endpoint(EndpointName="served"))


def test_no_request_fails(daemon: Daemon) -> None:
    """While instances come and go batch by batch, while a canary has traffic, and in its rollback."""
    cloudwatch = client(daemon, "cloudwatch")
    put_alarm(daemon, ALARM)
    half = {"Type": "CAPACITY_PERCENT", "Value": 50}
    with Load(daemon.port, "served") as load:
        load.more(20)
        update(
            daemon, "rolled", {"RollingUpdatePolicy": {"MaximumBatchSize": half, "WaitIntervalInSeconds": 0}}
        )
        wait(daemon, "served", "endpoint_in_service")
        found = describe(daemon)
        assert (found["EndpointConfigName"], found.get("FailureReason")) == ("rolled", None)
        load.more(20)
        routing = {"Type": "CANARY", "CanarySize": half, "WaitIntervalInSeconds": 60}
        update(daemon, "canary", {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}})

        def statuses() -> list[str]:
            pending = describe(daemon).get("PendingDeploymentSummary") or {"ProductionVariants": []}
            return [one["VariantStatus"][0]["Status"] for one in pending["ProductionVariants"]]

        wait_until(lambda: statuses() == ["Baking"], timeout=60)
        load.more(20)
        cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="a test")
        wait_until(lambda: describe(daemon)["EndpointStatus"] != "Updating")
        wait(daemon, "served", "endpoint_in_service")
        load.more(20)
    assert load.failures == []
    found = describe(daemon)
    assert (found["EndpointConfigName"], found["EndpointStatus"]) == ("rolled", "InService")
    assert f"Alarms in state ALARM: {ALARM}" in found["FailureReason"]
    timeline = daemon.run("status", "served").stdout
    assert "50% of the traffic goes to canary" in timeline
    assert "RollingBack" in timeline


def _without_path(environ: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name != "PATH"}


def test_the_page(daemon: Daemon, tmp_path: Path) -> None:
    """The example rolls back by a real alarm on real errors; the shadow has shown more before."""
    [script] = commands("docs/how-to/guarded-deployments.md", "")
    # The daemon of this file is there already, on a port of its own.
    lines = [
        line for line in script.splitlines() if not line.startswith(("mlberth up", "eval", "mlberth down"))
    ]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    ran = shell("\n".join(lines), tmp_path, **_without_path(daemon.client_environ()))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "InService on guarded-shadow: Alarms in state ALARM: guarded-errors." in ran.stdout
    assert "guarded, shadow variant candidate" in ran.stdout
    assert "<svg" in (tmp_path / "report.html").read_text()
    found = json.loads(daemon.run("shadows", "guarded", "--json").stdout)["candidate"]
    assert found["copies"] >= 20
    assert found["largest_difference"] == 110.0
    assert found["shadow"]["errors"] >= 1
