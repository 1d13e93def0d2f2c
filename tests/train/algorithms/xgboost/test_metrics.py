"""Metrics that XGBoost does not have, compared with scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from mlberth.errors import ContractError
from mlberth_train.algorithms.xgboost.metric_names import CUSTOM, OF_TWO_CLASSES
from mlberth_train.algorithms.xgboost.metrics import custom_metric

SCORES: dict[str, tuple[Any, dict[str, Any]]] = {
    "accuracy": (metrics.accuracy_score, {}),
    "balanced_accuracy": (metrics.balanced_accuracy_score, {}),
    "f1": (metrics.f1_score, {"average": "macro"}),
    "f1_binary": (metrics.f1_score, {"average": "binary"}),
    "f1_macro": (metrics.f1_score, {"average": "macro"}),
    "precision": (metrics.precision_score, {}),
    "precision_macro": (metrics.precision_score, {"average": "macro"}),
    "precision_micro": (metrics.precision_score, {"average": "micro"}),
    "recall": (metrics.recall_score, {}),
    "recall_macro": (metrics.recall_score, {"average": "macro"}),
    "recall_micro": (metrics.recall_score, {"average": "micro"}),
    "mse": (metrics.mean_squared_error, {}),
    "r2": (metrics.r2_score, {}),
}


class Labelled:
    """As much of a DMatrix as a metric needs."""

    def __init__(self, labels: Any) -> None:
        self._labels = np.asarray(labels, np.float32)

    def get_label(self) -> Any:
        """Return the labels."""
        return self._labels


def alone(numbers: Any) -> Any:
    """Return the sum over one host."""
    return numbers


@pytest.mark.filterwarnings("ignore:.*(ill-defined|y_pred contains classes|number of unique classes)")
@pytest.mark.differential
@pytest.mark.parametrize("name", CUSTOM)
@pytest.mark.parametrize(
    "objective", ["binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob"]
)
def test_they_are_scikit_learns(name: str, objective: str) -> None:
    """Over labels and predictions made by chance, some with classes that are never found."""
    random = np.random.default_rng(5)
    classes = 4 if objective.startswith("multi:") else 2
    if (name in OF_TWO_CLASSES and classes > 2) or (name in ("mse", "r2") and classes > 2):
        return
    for rows in (2, 3, 10, 500):
        labels = random.integers(0, classes, rows)
        margins = random.normal(size=(rows, classes))
        predictions = {
            "binary:logistic": random.random(rows),
            "binary:logitraw": margins[:, 0],
            "multi:softmax": margins.argmax(axis=1).astype(np.float32),
            "multi:softprob": margins,
        }[objective]
        found = {
            "binary:logistic": predictions > 0.5,
            "binary:logitraw": predictions > 0,
            "multi:softmax": predictions,
            "multi:softprob": margins.argmax(axis=1),
        }[objective]
        score, options = SCORES[name]
        if name in ("mse", "r2"):
            if labels.std() == 0:
                continue
            found = predictions
        expected = score(labels.astype(float), np.asarray(found, float), **options)
        [(printed, value)] = custom_metric([name], objective, classes, alone)(predictions, Labelled(labels))
        assert printed == name
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_they_are_those_of_all_hosts() -> None:
    """Two hosts come to what one host with all rows would: what is added up are counts."""
    random = np.random.default_rng(6)
    labels, found = random.integers(0, 2, 60), random.random(60)
    counts: list[Any] = []

    def noted(numbers: Any) -> Any:
        counts.append(numbers)
        return numbers

    names = ["f1", "balanced_accuracy"]
    whole = custom_metric(names, "binary:logistic", 2, alone)(found, Labelled(labels))
    custom_metric(names, "binary:logistic", 2, noted)(found[7:], Labelled(labels[7:]))
    both = custom_metric(names, "binary:logistic", 2, lambda numbers: numbers + counts[0])
    assert both(found[:7], Labelled(labels[:7])) == whole


def test_labels_that_are_no_classes() -> None:
    """They are named."""
    evaluate = custom_metric(["accuracy"], "multi:softmax", 3, alone)
    with pytest.raises(ContractError, match="labels from 0 to 3; expected whole numbers from 0 to 2"):
        evaluate(np.zeros(2), Labelled([0, 3]))
