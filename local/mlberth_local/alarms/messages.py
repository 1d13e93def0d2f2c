"""Texts of an alarm's transition: history, and the message to topics."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlberth_local.alarms import times
from mlberth_local.alarms.definition import Definition

_LONGEST_SUBJECT = 100


@dataclass(frozen=True)
class Transition:
    """An alarm that has come to a state."""

    name: str
    arn: str
    definition: Definition
    updated: float
    """When the definition was changed last, in seconds since the epoch."""
    old: str
    new: str
    reason: str
    time: float


def subject(transition: Transition, region: str) -> str:
    """Return the subject of the message to a topic."""
    return f'{transition.new}: "{transition.name}" in {region}'[:_LONGEST_SUBJECT]


def body(transition: Transition, *, account: str, region: str) -> str:
    """Return the message to a topic, as the service writes it."""
    definition = transition.definition
    return json.dumps(
        {
            "AlarmName": transition.name,
            "AlarmDescription": definition.get("AlarmDescription"),
            "AWSAccountId": account,
            "AlarmConfigurationUpdatedTimestamp": times.in_data(transition.updated),
            "NewStateValue": transition.new,
            "NewStateReason": transition.reason,
            "StateChangeTime": times.in_data(transition.time),
            "Region": region,
            "AlarmArn": transition.arn,
            "OldStateValue": transition.old,
            "OKActions": definition.get("OKActions") or [],
            "AlarmActions": definition.get("AlarmActions") or [],
            "InsufficientDataActions": definition.get("InsufficientDataActions") or [],
            "Trigger": _trigger(definition),
        }
    )


def _trigger(definition: Definition) -> dict[str, Any]:
    names = ("Period", "EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "Threshold", "Unit")
    found = {name: definition[name] for name in names if definition.get(name) is not None}
    found["TreatMissingData"] = definition.get("TreatMissingData") or "missing"
    if metrics := definition.get("Metrics"):
        return {**found, "Metrics": metrics}
    extended = definition.get("ExtendedStatistic")
    return {
        "MetricName": definition["MetricName"],
        "Namespace": definition["Namespace"],
        "StatisticType": "ExtendedStatistic" if extended else "Statistic",
        "Statistic": extended or definition["Statistic"].upper(),
        "Dimensions": [
            {"name": one["Name"], "value": one["Value"]} for one in definition.get("Dimensions") or []
        ],
        **found,
    }


def history(old: str, old_reason: str, new: str, reason: str, data: Any = None) -> dict[str, Any]:
    """Return the data of an event of the type StateUpdate."""
    return {
        "version": "1.0",
        "oldState": {"stateValue": old, "stateReason": old_reason},
        "newState": {
            "stateValue": new,
            "stateReason": reason,
            **({"stateReasonData": data} if data else {}),
        },
    }
