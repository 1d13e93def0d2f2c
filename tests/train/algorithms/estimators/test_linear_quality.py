"""The threshold of a binary classifier against a search of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, fbeta_score, precision_score, recall_score

from mlberth_train.algorithms.estimators.linear_quality import choose_threshold, measure

GIVEN: dict[str, Any] = {
    "predictor_type": "binary_classifier",
    "loss": "logistic",
    "margin": 1.0,
    "f_beta": 2.0,
    "target_recall": 0.7,
    "target_precision": 0.7,
}
CRITERION = "binary_classifier_model_selection_criteria"


def worth(criterion: str, labels: Any, said: Any) -> float:
    """Return what a criterion is worth, by scikit-learn; -1 short of the target."""
    precision = precision_score(labels, said, zero_division=1.0)
    recall = recall_score(labels, said, zero_division=0.0)
    found = {
        "accuracy": accuracy_score(labels, said),
        "f1": fbeta_score(labels, said, beta=1, zero_division=0),
        "f_beta": fbeta_score(labels, said, beta=2, zero_division=0),
        "precision_at_target_recall": precision if recall >= 0.7 else -1,
        "recall_at_target_precision": recall if precision >= 0.7 else -1,
    }
    return float(found[criterion])


@pytest.mark.differential
@pytest.mark.parametrize(
    "criterion", ["accuracy", "f1", "f_beta", "precision_at_target_recall", "recall_at_target_precision"]
)
def test_no_threshold_is_better(criterion: str) -> None:
    """Of all thresholds between scores, equal scores among them, none is worth more than the chosen one."""
    random = np.random.default_rng(0)
    for _ in range(8):
        labels = random.integers(0, 2, 12).astype(float)
        labels[0] = 1.0
        scores = random.integers(0, 8, 12) / 8
        threshold, value = choose_threshold({**GIVEN, CRITERION: criterion}, scores, labels)
        every = [worth(criterion, labels, scores >= one) for one in (*np.unique(scores), 2.0)]
        assert worth(criterion, labels, scores >= threshold) == pytest.approx(max(every))
        assert value == pytest.approx(max(every))


def test_the_usual_threshold_stays_if_none_is_better() -> None:
    """0.5, or 0 for margins, if it is as good as others; it is the same for loss_function always."""
    scores, labels = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    assert choose_threshold({**GIVEN, CRITERION: "accuracy"}, scores, labels) == (0.5, 1.0)
    assert choose_threshold({**GIVEN, CRITERION: "loss_function"}, scores, 1 - labels)[0] == 0.5
    hinge = {**GIVEN, "loss": "hinge_loss", CRITERION: "f1"}
    assert choose_threshold(hinge, scores - 0.5, labels) == (0.0, 1.0)
    assert choose_threshold(hinge, scores + 7, labels)[0] == pytest.approx(7.5)


def test_one_class_has_no_curve() -> None:
    """A split with one label has no area under a curve, and the rest of the metrics."""
    names = [name for name, *_ in measure({**GIVEN}, np.zeros((3, 1)), np.ones(3), 0.5)]
    assert names[1:] == ["binary_classification_accuracy", "binary_f_2.000", "precision", "recall"]
