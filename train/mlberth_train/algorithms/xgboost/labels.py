"""Labels that an objective can learn. XGBoost says so too, but of no row, and of some as of other things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlberth.errors import ContractError, Fault


def check_labels(labels: Any, where: str, hyperparameters: Mapping[str, Any]) -> None:
    """Raise ContractError for labels that the objective cannot learn, with the first row that has one."""
    import numpy as np

    objective = hyperparameters.get("objective", "reg:squarederror")
    if labels is None:
        raise ContractError(Fault(where, "no labels", "a label for each row"))
    is_right: Callable[[Any], Any] = _any
    expected = "a number as the label of each row"
    if objective.startswith("multi:"):
        classes = int(hyperparameters["num_class"])
        is_right = _classes(classes)
        expected = f"label must be in [0, num_class), a whole number from 0 to {classes - 1}"
    elif objective in _RULES:
        is_right, expected = _RULES[objective]
    wrong = np.flatnonzero(~(np.isfinite(labels) & is_right(labels)))
    if len(wrong):
        more = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
        found = f"the label {labels[wrong[0]]:g} in row {wrong[0] + 1}{more}"
        raise ContractError(Fault(where, found, f"{expected} (objective is {objective})"))


def _any(labels: Any) -> Any:  # noqa: ARG001 - one shape for all
    return True


def _classes(count: int) -> Callable[[Any], Any]:
    return lambda labels: (labels >= 0) & (labels < count) & (labels.round() == labels)


def _from_0_to_1(labels: Any) -> Any:
    return (labels >= 0) & (labels <= 1)


def _not_negative(labels: Any) -> Any:
    return labels >= 0


# In the words of XGBoost, which sagemaker-xgboost-container passes on.
_LOGISTIC = _from_0_to_1, "label must be in [0,1] for logistic regression"
_RULES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "binary:logistic": _LOGISTIC,
    "binary:logitraw": _LOGISTIC,
    "binary:hinge": (_classes(2), "label must be 0 or 1 for hinge loss"),
    "reg:logistic": _LOGISTIC,
    "rank:map": (_classes(2), "label must be 0 or 1 for the mean average precision"),
    "rank:ndcg": (_classes(32), "label must be a whole number from 0 to 31 for ndcg"),
    "reg:gamma": (lambda labels: labels > 0, "label must be positive for gamma regression"),
    "reg:squaredlogerror": (lambda labels: labels > -1, "label must be greater than -1 for rmsle"),
    "reg:tweedie": (_not_negative, "label must be nonnegative for tweedie regression"),
    "count:poisson": (_not_negative, "label must be nonnegative for poisson regression"),
}
