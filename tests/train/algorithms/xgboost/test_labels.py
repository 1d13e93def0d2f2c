"""Labels that objectives can learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost

from mlberth.errors import ContractError
from mlberth_train.algorithms.xgboost.labels import check_labels
from mlberth_train.algorithms.xgboost.table import OBJECTIVES

CANDIDATES = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, float("nan"), float("inf"))


@pytest.mark.filterwarnings("ignore:.*WARNING")
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_passes_is_what_xgboost_takes(objective: str) -> None:
    """XGBoost trains with each label that passes the check; the others are named with their row."""
    for label in CANDIDATES:
        labels = np.array([1, 2 if objective == "reg:gamma" else 0, label], np.float32)
        if message := refusal(labels, {"objective": objective, "num_class": 3}):
            assert f"the label {label:g} in row 3" in message
        else:
            train(labels, objective)


def refusal(labels: Any, given: dict[str, Any]) -> str:
    """Return why labels are refused, "" if they are not."""
    try:
        check_labels(labels, "the data", given)
    except ContractError as error:
        return str(error)
    return ""


def train(labels: Any, objective: str) -> None:
    """Train with labels; raises XGBoostError for some that the objective cannot learn."""
    matrix = xgboost.DMatrix(np.array([[0.0], [1.0], [2.0]]), label=labels, nthread=1)
    parameters = {"objective": objective, "nthread": 1}
    if objective == "survival:aft":
        matrix.set_float_info("label_lower_bound", np.abs(labels))
        matrix.set_float_info("label_upper_bound", np.abs(labels))
    if objective.startswith("multi:"):
        parameters["num_class"] = 3
    if objective == "reg:quantileerror":
        parameters["quantile_alpha"] = 0.5
    xgboost.train(parameters, matrix, 1)
