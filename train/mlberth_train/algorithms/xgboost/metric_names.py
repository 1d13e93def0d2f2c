"""The metrics of XGBoost and of the container, by name; which a job prints, and how they are found there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# XGBoost's own, and ours (`metrics.py`), which sagemaker-xgboost-container has too.
MAXIMIZED = (
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
MINIMIZED = (
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)
METRICS = (*MAXIMIZED, *MINIMIZED)
WITH_THRESHOLD = ("error", "map", "ndcg")
OF_LABELS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "precision",
    "precision_macro",
    "precision_micro",
    "recall",
    "recall_macro",
    "recall_micro",
)
OF_TWO_CLASSES = ("f1_binary", "precision", "recall")
OF_NUMBERS = ("mse", "r2")
CUSTOM = (*OF_LABELS, *OF_NUMBERS)
"""Those that XGBoost itself does not have."""
_TWEEDIE = 1.5
"""XGBoost's default for tweedie_variance_power."""
_DEFAULTS = {
    "reg:squaredlogerror": "rmsle",
    "reg:pseudohubererror": "mphe",
    "reg:absoluteerror": "mae",
    "reg:quantileerror": "quantile",
    "reg:gamma": "gamma-deviance",
    "reg:tweedie": "tweedie-nloglik",
    "count:poisson": "poisson-nloglik",
    "survival:cox": "cox-nloglik",
    "survival:aft": "aft-nloglik",
    "binary:logistic": "logloss",
    "binary:logitraw": "logloss",
    "binary:hinge": "error",
    "multi:softmax": "mlogloss",
    "multi:softprob": "mlogloss",
    "rank:pairwise": "ndcg",
    "rank:ndcg": "ndcg",
    "rank:map": "map",
}


def evaluated(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return what a job asks for, the tuner's objective included; [] for the objective's own metric."""
    named: list[str] = hyperparameters.get("eval_metric", [])
    objective = hyperparameters.get("_tuning_objective_metric")
    if not objective:
        return list(dict.fromkeys(named))
    # In an order that is the same on all hosts, as the container has it.
    return sorted({*named, objective.partition(":")[2]})


def printed(name: str, hyperparameters: Mapping[str, Any]) -> str:
    """Return a metric's name as XGBoost takes and prints it."""
    if name == "tweedie-nloglik":
        return f"{name}@{hyperparameters.get('tweedie_variance_power', _TWEEDIE):g}"
    return name


def deciding(hyperparameters: Mapping[str, Any]) -> str | None:
    """Return the metric that early stopping looks at, as it is printed; None for the last that is."""
    objective = hyperparameters.get("_tuning_objective_metric")
    if objective:
        return printed(objective.partition(":")[2], hyperparameters)
    named: list[str] = hyperparameters.get("eval_metric", [])
    return printed(named[-1], hyperparameters) if named else None


def is_maximized(name: str) -> bool:
    """Return whether more is better."""
    return name.partition("@")[0] in MAXIMIZED


def regexes(hyperparameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the regular expressions of what a job prints, by the platform's names, `validation:rmse`."""
    names = evaluated(hyperparameters)
    patterns = {name: re.escape(printed(name, hyperparameters)) for name in names}
    if all(name in CUSTOM for name in names):
        # XGBoost prints its default beside ours, some with a number: `ndcg@32`.
        default = _DEFAULTS.get(hyperparameters.get("objective", ""), "rmse")
        patterns.setdefault(default, rf"{re.escape(default)}(?:@[\d.]+)?")
    return {
        f"{data}:{name}": rf"\[\d+\].*\t{data}-{pattern}:(\S+)"
        for data in ("train", "validation")
        for name, pattern in patterns.items()
    }
