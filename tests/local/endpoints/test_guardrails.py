"""The steps of guarded deployments, and what is wrong with a `DeploymentConfig`."""

from __future__ import annotations

from typing import Any

import pytest

from mlberth_local.endpoints.guardrails import Step, alarms, faults, longest, rollback_batch, steps


def percent(value: int) -> dict[str, Any]:
    """Return a size in percent."""
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    """Return a size in instances."""
    return {"Type": "INSTANCE_COUNT", "Value": value}


def blue_green(kind: str, wait: int = 10, last: int | None = None, **routing: Any) -> dict[str, Any]:
    """Return a blue/green policy."""
    policy: dict[str, Any] = {
        "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **routing}
    }
    return {"BlueGreenUpdatePolicy": policy | ({} if last is None else {"TerminationWaitInSeconds": last})}


def rolling(size: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a rolling policy."""
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 10, **members}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, [Step(1, 1, 0, 0)]),
        ({}, [Step(1, 1, 0, 0)]),
        (blue_green("ALL_AT_ONCE", last=7), [Step(1, 1, 0, 7)]),
        (
            blue_green("CANARY", last=7, CanarySize=percent(20)),
            [Step(1, 0.2, 1, 10), Step(1, 1, 0, 7)],
        ),
        (blue_green("CANARY", CanarySize=instances(1)), [Step(1, 0.25, 1, 10), Step(1, 1, 0, 0)]),
        (
            blue_green("LINEAR", last=7, LinearStepSize=percent(40)),
            [Step(1, 0.4, 0.6, 10), Step(1, 0.8, 0.2, 10), Step(1, 1, 0, 17)],
        ),
        (rolling(percent(50)), [Step(0.5, 0.5, 0.5, 10), Step(1, 1, 0, 10)]),
        (
            rolling(instances(1)),
            [Step(part, part, 1 - part, 10) for part in (0.25, 0.5, 0.75, 1.0)],
        ),
    ],
    ids=["none", "empty", "all at once", "canary", "canary of one", "linear", "rolling", "rolling by one"],
)
def test_steps(config: dict[str, Any] | None, expected: list[Step]) -> None:
    """Of four instances: parts of traffic and of instances, and seconds."""
    for step, other in zip(steps(config, 4), expected, strict=True):
        assert (step.new, step.share, step.wait) == (other.new, other.share, other.wait)
        assert step.old == pytest.approx(other.old)


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (None, ""),
        (blue_green("CANARY", CanarySize=percent(50)), ""),
        (blue_green("CANARY"), "CanarySize is required for CANARY"),
        (blue_green("LINEAR"), "LinearStepSize is required for LINEAR"),
        (blue_green("CANARY", CanarySize=percent(51)), "CanarySize: 51 % must be from 0 % to 50 %"),
        (blue_green("CANARY", CanarySize=instances(3)), "CanarySize: 3 of 4 instances must be"),
        (blue_green("ALL_AT_ONCE", CanarySize=percent(5)), "CanarySize has no place in ALL_AT_ONCE"),
        (blue_green("LINEAR", LinearStepSize=percent(9)), "LinearStepSize: 9 % must be from 10 % to 50 %"),
        (rolling(percent(4)), "MaximumBatchSize: 4 % must be from 5 % to 50 %"),
        ({**rolling(percent(50)), **blue_green("ALL_AT_ONCE")}, "exclude each other"),
        (
            rolling(percent(5), WaitIntervalInSeconds=600, MaximumExecutionTimeoutInSeconds=700),
            "the waits add up to 12000 s, and MaximumExecutionTimeoutInSeconds is 700",
        ),
    ],
)
def test_faults(config: dict[str, Any] | None, fault: str) -> None:
    """Each names the member, the value and what was expected."""
    found = list(faults(config, 4))
    assert len(found) == bool(fault)
    assert fault in "".join(found)


def test_what_else_a_config_says() -> None:
    """The alarms, the time limit, and how fast a rollback is."""
    config = rolling(percent(50), RollbackMaximumBatchSize=instances(1), MaximumExecutionTimeoutInSeconds=600)
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "errors"}, {"AlarmName": "slow"}]}
    assert (alarms(config), longest(config), rollback_batch(config, 4)) == (["errors", "slow"], 600.0, 0.25)
    assert (alarms(None), longest(None), rollback_batch(None, 4)) == ([], float("inf"), 1.0)
