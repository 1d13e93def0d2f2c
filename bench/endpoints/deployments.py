"""A load test for each kind of deployment: update after update, and updates that an alarm ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from bench.endpoints.features import MODEL
from bench.endpoints.measured import Figures, Pace, ended, load, variant
from tests.local.end_to_end.daemon import Daemon
from tests.local.end_to_end.deployments import client, create, put_alarm, wait
from tests.support import wait_until

HALF = {"Type": "CAPACITY_PERCENT", "Value": 50}
_WAIT = {"WaitIntervalInSeconds": 0}


def blue_green(**routing: Any) -> dict[str, Any]:
    """Return a blue/green policy."""
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {**_WAIT, **routing}}}


POLICIES: dict[str, dict[str, Any]] = {
    "updates all at once": blue_green(Type="ALL_AT_ONCE"),
    "canary updates": blue_green(Type="CANARY", CanarySize=HALF),
    "linear updates": blue_green(Type="LINEAR", LinearStepSize=HALF),
    "rolling updates": {"RollingUpdatePolicy": {**_WAIT, "MaximumBatchSize": HALF}},
}
_ALARM = "bench"
_SECONDS = 120.0


def updates(daemon: Daemon, pace: Pace, *kinds: str) -> Figures:
    """Ask an endpoint that has one update after the other, of these kinds in turn."""
    create(daemon, "updated", variant(MODEL))
    turns: Iterator[str] = cycle(kinds)

    def change() -> None:
        client(daemon, "sagemaker").update_endpoint(
            EndpointName="updated",
            EndpointConfigName="updated",
            DeploymentConfig=POLICIES[next(turns)],
        )
        wait(daemon, "updated", "endpoint_in_service")

    return ended(daemon, "updated", load(daemon, "updated", pace, change))


def rollbacks(daemon: Daemon, pace: Pace) -> Figures:
    """Ask an endpoint that gets canaries which an alarm ends."""
    create(daemon, "returned", variant(MODEL))
    sagemaker, cloudwatch = client(daemon, "sagemaker"), client(daemon, "cloudwatch")
    put_alarm(daemon, _ALARM)
    config = {
        **blue_green(Type="CANARY", CanarySize=HALF, WaitIntervalInSeconds=600),
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": _ALARM}]},
    }

    def is_baking() -> bool:
        found = sagemaker.describe_endpoint(EndpointName="returned").get("PendingDeploymentSummary")
        return bool(found) and found["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Baking"

    def change() -> None:
        cloudwatch.set_alarm_state(AlarmName=_ALARM, StateValue="OK", StateReason="bench")
        sagemaker.update_endpoint(
            EndpointName="returned", EndpointConfigName="returned", DeploymentConfig=config
        )
        wait_until(is_baking, timeout=_SECONDS)
        cloudwatch.set_alarm_state(AlarmName=_ALARM, StateValue="ALARM", StateReason="bench")
        wait(daemon, "returned", "endpoint_in_service")

    return ended(daemon, "returned", load(daemon, "returned", pace, change))
