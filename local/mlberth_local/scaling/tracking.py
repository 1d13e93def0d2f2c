"""Target tracking: the two alarms that a policy has, made of its metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth_local.alarms.definition import Definition
from mlberth_local.alarms.metric_queries import faults
from mlberth_local.scaling.policies import PERIODS_IN, PERIODS_OUT, SCALE_IN_SHARE
from mlberth_local.scaling.variants import names_of

INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
_PREDEFINED = (INVOCATIONS,)


def config_faults(config: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the configuration of a target tracking policy."""
    found = []
    if config["TargetValue"] <= 0:
        found.append(f"TargetValue: found {config['TargetValue']}; expected a number above 0")
    predefined, custom = (config.get(f"{kind}MetricSpecification") for kind in ("Predefined", "Customized"))
    if (predefined is None) == (custom is None):
        found.append(
            "exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be given"
        )
    if predefined and predefined["PredefinedMetricType"] not in _PREDEFINED:
        found.append(
            f"PredefinedMetricType: found {predefined['PredefinedMetricType']}; the metric that is here is "
            f"{', '.join(_PREDEFINED)}; others can be given as CustomizedMetricSpecification"
        )
    if custom and custom.get("Metrics"):
        found += faults(custom["Metrics"], "CustomizedMetricSpecification.Metrics")
        if len([one for one in custom["Metrics"] if one.get("ReturnData") is not False]) != 1:
            found.append("exactly one of CustomizedMetricSpecification.Metrics must have ReturnData")
    elif custom:
        missing = [name for name in ("MetricName", "Namespace", "Statistic") if not custom.get(name)]
        if missing:
            found.append(f"CustomizedMetricSpecification must have {', '.join(missing)}, or Metrics")
    for name in ("ScaleOutCooldown", "ScaleInCooldown"):
        if config.get(name, 0) < 0:
            found.append(f"{name}: found {config[name]}; expected seconds, 0 or more")
    return found


def alarms_of(
    policy_arn: str, resource_id: str, config: Mapping[str, Any], *, unique: str, minute: float
) -> dict[str, Definition]:
    """Return the definitions of a policy's alarms, `high` and, unless it never scales in, `low`."""
    target = config["TargetValue"]
    minute = int(minute) if minute == int(minute) else minute
    common = {
        **_metric(resource_id, config, minute),
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy_arn}.",
        "ActionsEnabled": True,
        "AlarmActions": [policy_arn],
    }
    prefix = f"TargetTracking-{resource_id}"
    found: dict[str, Definition] = {
        "high": {
            **common,
            "AlarmName": f"{prefix}-AlarmHigh-{unique}",
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": target,
            "EvaluationPeriods": PERIODS_OUT,
        }
    }
    if not config.get("DisableScaleIn"):
        found["low"] = {
            **common,
            "AlarmName": f"{prefix}-AlarmLow-{unique}",
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": target * SCALE_IN_SHARE,
            "EvaluationPeriods": PERIODS_IN,
            # A variant without requests has no values: it has too many instances all the same.
            **({"TreatMissingData": "breaching"} if "PredefinedMetricSpecification" in config else {}),
        }
    return found


def _metric(resource_id: str, config: Mapping[str, Any], minute: float) -> dict[str, Any]:
    if "PredefinedMetricSpecification" in config:
        endpoint, variant = names_of(resource_id) or ("", "")
        return {
            "Namespace": "AWS/SageMaker",
            "MetricName": "InvocationsPerInstance",
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            "Statistic": "Sum",
            "Period": minute,
        }
    custom = config["CustomizedMetricSpecification"]
    if metrics := custom.get("Metrics"):
        return {"Metrics": [_query(one, minute) for one in metrics]}
    names = ("Namespace", "MetricName", "Dimensions", "Statistic", "Unit")
    return {**{name: custom[name] for name in names if custom.get(name)}, "Period": minute}


def _query(query: Mapping[str, Any], minute: float) -> dict[str, Any]:
    """Return a query of a policy, which has no period, as one of an alarm."""
    if "MetricStat" not in query:
        return {**query}
    return {**query, "MetricStat": {**query["MetricStat"], "Period": minute}}
