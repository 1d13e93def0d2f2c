"""Rules between hyperparameters, as sagemaker-xgboost-container has them, and those of XGBoost itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlberth.errors import Fault
from mlberth_train.algorithms.xgboost.metric_names import (
    METRICS,
    OF_LABELS,
    OF_NUMBERS,
    OF_TWO_CLASSES,
    WITH_THRESHOLD,
    evaluated,
)

_THRESHOLD = re.compile(r"(\w+)@(\d+\.?\d*)-?")
_GROWERS = {"grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker", "grow_quantile_histmaker"}
_LINEAR = {"shotgun", "coord_descent"}
_UPDATING = {"refresh", "prune"}
_GONE = {"distcol", "grow_skmaker"}


def find_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong between hyperparameters, each of which is right by itself."""
    yield from _updater_faults(values)
    yield from _objective_faults(values)
    yield from _constraint_faults(values)
    yield from _device_faults(values)
    for name in evaluated(values):
        yield from _metric_faults(name, values)
    if "_num_cv_round" in values and values["_num_cv_round"] > 1 and "_kfold" not in values:
        yield _fault("_num_cv_round", str(values["_num_cv_round"]), "_kfold beside it")
    if values.get("use_dask_gpu_training") == "true":
        action = "Use a host for each GPU, and tree_method gpu_hist."
        yield _fault("use_dask_gpu_training", "true", "false, since a host trains on one GPU at most", action)


def _fault(name: str, found: str, expected: str, action: str = "") -> Fault:
    return Fault(f"the hyperparameter {name}", found, expected, action)


def _updater_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    updaters = values.get("updater", [])
    shown, booster = ",".join(updaters), values.get("booster", "gbtree")
    if booster == "gblinear":
        if updaters and not (len(updaters) == 1 and updaters[0] in _LINEAR):
            yield _fault("updater", shown, "shotgun or coord_descent, since booster is gblinear")
    elif values.get("process_type") == "update":
        if not updaters or not _UPDATING.issuperset(updaters):
            yield _fault("updater", shown or "nothing", "refresh and prune, since process_type is update")
    elif _LINEAR.intersection(updaters):
        yield _fault("updater", shown, f"an updater of trees, since booster is {booster}")
    elif len(_GROWERS.intersection(updaters)) > 1:
        yield _fault("updater", shown, "one that grows trees")
    elif gone := _GONE.intersection(updaters):
        yield _fault("updater", shown, f"others than {', '.join(gone)}, which XGBoost has no more")


def _objective_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    objective, classes = values.get("objective", "reg:squarederror"), values.get("num_class")
    if objective.startswith("multi:") and classes is None:
        yield _fault("num_class", "nothing", f"the number of classes, since objective is {objective}")
    if not objective.startswith("multi:") and classes is not None:
        yield _fault("num_class", str(classes), f"no number of classes, since objective is {objective}")
    if objective == "reg:quantileerror" and "quantile_alpha" not in values:
        yield _fault("quantile_alpha", "nothing", f"a quantile, since objective is {objective}")
    if objective in ("binary:logistic", "reg:logistic") and not 0 < values.get("base_score", 0.5) < 1:
        yield _fault("base_score", str(values["base_score"]), f"more than 0 and less than 1 for {objective}")


def _constraint_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in values and values.get("booster") == "gblinear":
            yield _fault(name, "a value", "none, since booster is gblinear")


def _device_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    device, method = values.get("device"), values.get("tree_method")
    if device == "cpu" and method == "gpu_hist":
        yield _fault("device", "cpu", "cuda, or tree_method hist, since tree_method is gpu_hist")
    if device == "cuda" and method == "exact":
        yield _fault("device", "cuda", "cpu, since tree_method is exact")


def _metric_faults(name: str, values: Mapping[str, Any]) -> Iterator[Fault]:
    objective = values.get("objective", "reg:squarederror")
    match = _THRESHOLD.fullmatch(name)
    if name not in METRICS and not (match and match[1] in WITH_THRESHOLD):
        yield _fault("eval_metric", repr(name), f"one of {', '.join(METRICS)}; error@t, ndcg@n or map@n")
        return
    expected = _expected_objective(name, objective)
    if expected:
        yield _fault("eval_metric", name, f"{expected}, and objective is {objective}")


def _expected_objective(name: str, objective: str) -> str:
    """Return which objectives a metric goes with, or "" if this one is among them."""
    of_two = objective.startswith("binary:") or objective == "reg:logistic"
    classifies = of_two or objective.startswith("multi:")
    if name == "auc" and not (classifies or objective.startswith("rank:")):
        return "a metric that is not of classification and ranking alone"
    if name == "aft-nloglik" and objective != "survival:aft":
        return "a metric that is not of survival:aft alone"
    if name in OF_LABELS and not classifies:
        return "a metric that is not of classification alone"
    if name in OF_TWO_CLASSES and not of_two:
        return f"a metric that is not of two classes alone, such as {name.partition('_')[0]}_macro"
    if name in OF_NUMBERS and objective.startswith("multi:"):
        return "a metric that is not of numbers alone"
    return ""
