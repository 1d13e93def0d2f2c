"""The quality of a linear model: the threshold between 0 and 1, and the metrics of the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlberth_train.algorithms.estimators.linear_losses import objective, objective_name, probabilities
from mlberth_train.algorithms.estimators.linear_table import BINARY, CRITERION, MULTICLASS, REGRESSOR, loss_of
from mlberth_train.algorithms.estimators.quality import LOSS, SCORE

Metric = tuple[str, float, str]
"""Name, value, and LOSS or SCORE."""
_SPLITS = ("train", "validation", "test")
_LINE = r"#quality_metric: host=\S+, {place}{split} {name} <{kind}>=(\S+)"
_NAMES = {
    BINARY: (
        ("binary_classification_accuracy", "binary_classification_accuracy"),
        ("binary_f_beta", r"binary_f_\S+"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("roc_auc_score", "roc_auc_score"),
    ),
    MULTICLASS: (
        ("multiclass_accuracy", "multiclass_accuracy"),
        ("multiclass_top_k_accuracy", r"multiclass_top_k_accuracy_\S+"),
        ("dcg", "dcg"),
        ("macro_f_beta", r"macro_f_\S+"),
        ("macro_precision", "macro_precision"),
        ("macro_recall", "macro_recall"),
    ),
}


def scores_of(given: Mapping[str, Any], decision: Any) -> Any:
    """Return what is compared with a threshold: a probability, or the margin itself with hinge_loss."""
    import numpy as np

    values = decision[:, 0]
    return values if loss_of(given) == "hinge_loss" else np.exp(-np.logaddexp(0, -values))


def choose_threshold(given: Mapping[str, Any], scores: Any, labels: Any) -> tuple[float, float]:
    """Return the threshold from which on a score means 1, and what the criterion is worth with it.

    Of thresholds that are worth the same, the one closest to the usual 0.5 (0 with hinge_loss) counts.
    """
    import numpy as np

    usual, criterion = (0.0 if loss_of(given) == "hinge_loss" else 0.5), given[CRITERION]
    if criterion in ("loss_function", "cross_entropy_loss"):
        return usual, 0.0
    order = np.argsort(-scores, kind="stable")
    ordered, positive = scores[order], labels[order] > 0
    last = np.append(ordered[1:] != ordered[:-1], True)  # of each group of equal scores
    # With each threshold above `low`, and at most `high`, the same rows are taken for 1: none at first.
    low, high = np.append(ordered[last], -np.inf), np.insert(ordered[last], 0, np.inf)
    hits = np.insert(np.cumsum(positive)[last], 0, 0)
    taken = np.insert(np.flatnonzero(last) + 1, 0, 0)
    values = _values(given, hits, taken, int(positive.sum()), len(labels))
    best = np.flatnonzero(values == values.max())
    at = best[np.maximum(low[best] - usual, usual - high[best]).clip(0).argmin()]
    return _within(float(low[at]), float(high[at]), usual), float(values[at])


def _within(low: float, high: float, usual: float) -> float:
    """Return a threshold above `low` and at most `high`: the usual one, else the middle."""
    if low < usual <= high:
        return usual
    if math.isinf(high):
        return math.nextafter(low, math.inf)
    middle = high if math.isinf(low) else (low + high) / 2
    return middle if middle > low else high


def _values(given: Mapping[str, Any], hits: Any, taken: Any, positives: int, rows: int) -> Any:
    """Return what the criterion is worth for each number of rows that are taken for 1."""
    import numpy as np

    criterion = given[CRITERION]
    precision = hits / np.maximum(taken, 1)
    recall = hits / max(positives, 1)
    if criterion == "accuracy":
        return (hits + (rows - positives) - (taken - hits)) / rows
    if criterion in ("f1", "f_beta"):
        square = (1.0 if criterion == "f1" else given["f_beta"]) ** 2
        return (1 + square) * hits / np.maximum(square * positives + taken, 1e-12)
    value, reached, target = (
        (precision, recall, given["target_recall"])
        if criterion == "precision_at_target_recall"
        else (recall, np.where(taken > 0, precision, 1.0), given["target_precision"])
    )
    # Short of the target everywhere, whatever comes closest to it.
    return np.where(reached >= target, value, reached - 2) if (reached >= target).any() else reached


def measure(given: Mapping[str, Any], decision: Any, labels: Any, threshold: float) -> list[Metric]:
    """Return the metrics of a split, the loss first, and no area under a curve for one class alone."""
    found: list[Metric] = [(objective_name(given), objective(given, decision, labels), LOSS)]
    return found + _MEASURES[given["predictor_type"]](given, decision, labels, threshold)


def _measure_binary(given: Mapping[str, Any], decision: Any, labels: Any, threshold: float) -> list[Metric]:
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    scores = scores_of(given, decision)
    said = scores >= threshold
    beta = given["f_beta"]
    precision, recall, score, _ = precision_recall_fscore_support(
        labels, said, beta=beta, average="binary", zero_division=0
    )
    found = [
        ("binary_classification_accuracy", float((said == labels).mean()), SCORE),
        (f"binary_f_{beta:.3f}", float(score), SCORE),
        ("precision", float(precision), SCORE),
        ("recall", float(recall), SCORE),
    ]
    if len(set(labels.tolist())) == 2:
        found.append(("roc_auc_score", float(roc_auc_score(labels, scores)), SCORE))
    return found


def _measure_classes(given: Mapping[str, Any], decision: Any, labels: Any, threshold: float) -> list[Metric]:  # noqa: ARG001
    import numpy as np
    from sklearn.metrics import precision_recall_fscore_support

    scores, beta, top = probabilities(decision), given["f_beta"], given["accuracy_top_k"]
    said, classes = scores.argmax(axis=1), labels.astype(int)
    rank = 1 + (scores > scores[np.arange(len(classes)), classes][:, None]).sum(axis=1)
    precision, recall, score, _ = precision_recall_fscore_support(
        classes, said, beta=beta, average="macro", zero_division=0
    )
    return [
        ("multiclass_accuracy", float((said == classes).mean()), SCORE),
        (f"multiclass_top_k_accuracy_{top}", float((rank <= top).mean()), SCORE),
        ("dcg", float((1 / np.log2(rank + 1)).mean()), SCORE),
        ("macro_recall", float(recall), SCORE),
        ("macro_precision", float(precision), SCORE),
        (f"macro_f_{beta:.3f}", float(score), SCORE),
    ]


def _measure_numbers(given: Mapping[str, Any], decision: Any, labels: Any, threshold: float) -> list[Metric]:  # noqa: ARG001
    import numpy as np

    error = labels - decision[:, 0]
    return [("mse", float((error**2).mean()), LOSS), ("absolute_loss", float(np.abs(error).mean()), LOSS)]


_MEASURES = {BINARY: _measure_binary, MULTICLASS: _measure_classes, REGRESSOR: _measure_numbers}


def metrics(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the platform's regular expressions for what is printed with such hyperparameters."""
    kind = given["predictor_type"]
    found = {}
    for split in _SPLITS:
        place = "" if split == "test" else r"epoch=\S+, "
        found[f"{split}:objective_loss"] = _LINE.format(
            place=place, split=split, name=r"\S+_objective", kind=LOSS
        )
        for name, pattern in _NAMES.get(kind, ()):
            found[f"{split}:{name}"] = _LINE.format(place="", split=split, name=pattern, kind=SCORE)
        for name in ("mse", "absolute_loss") if kind == REGRESSOR else ():
            found[f"{split}:{name}"] = _LINE.format(place="", split=split, name=name, kind=LOSS)
    return found
