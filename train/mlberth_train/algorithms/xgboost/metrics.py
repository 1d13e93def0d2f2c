"""Metrics that XGBoost does not have, over the rows of all hosts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.xgboost.metric_names import OF_LABELS

Sum = Callable[[Any], Any]
"""Returns the sum of an array over all hosts."""


def custom_metric(
    names: Sequence[str], objective: str, classes: int, add: Sum
) -> Callable[[Any, Any], list[tuple[str, float]]]:
    """Return the function that `xgboost.train` calls for these metrics after each round.

    It is given predictions as `predict` returns them: probabilities, classes, or margins of `logitraw`.
    """

    def evaluate(predictions: Any, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        counts = _NO_COUNTS
        if any(name in OF_LABELS for name in names):
            found = predicted_classes(predictions, objective)
            counts = add(confusion(labels, found, classes))
        squares = _squares(predictions, labels, add) if not set(names) <= set(OF_LABELS) else _NO_COUNTS
        return [
            (name, _LABEL_SCORES[name](counts) if name in OF_LABELS else _NUMBER_SCORES[name](squares))
            for name in names
        ]

    return evaluate


_NO_COUNTS: Any = ()


def predicted_classes(predictions: Any, objective: str) -> Any:
    """Return the class of each row, counted from 0."""
    if predictions.ndim > 1:
        return predictions.argmax(axis=-1)
    if objective in ("multi:softmax", "binary:hinge"):
        return predictions.astype(int)
    return (predictions > (0 if objective == "binary:logitraw" else 0.5)).astype(int)


def confusion(labels: Any, found: Any, classes: int) -> Any:
    """Return how many rows of each class (down) were found to be of each class (across)."""
    import numpy as np

    right = labels.astype(int)
    if len(right) and (right.min() < 0 or right.max() >= classes or (right != labels).any()):
        shown = f"labels from {labels.min():g} to {labels.max():g}"
        raise ContractError(Fault("the labels", shown, f"whole numbers from 0 to {classes - 1}"))
    counts = np.bincount(right * classes + found, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(float)


def _squares(predictions: Any, labels: Any, add: Sum) -> Any:
    """Return number, squared errors and squared deviations of the labels."""
    import numpy as np

    labels = labels.astype(float)
    count, total = add(np.array([len(labels), labels.sum()]))
    deviations = labels - total / max(count, 1)
    errors = labels - predictions
    rest = add(np.array([(errors * errors).sum(), (deviations * deviations).sum()]))
    return count, *rest


def _ratio(above: Any, below: Any) -> Any:
    """Return a quotient, 0 for nothing by nothing."""
    import numpy as np

    return np.divide(above, below, out=np.zeros_like(above, float), where=np.asarray(below) > 0)


def _accuracy(counts: Any) -> float:
    return float(_ratio(counts.trace(), counts.sum()))


def _balanced_accuracy(counts: Any) -> float:
    rows = counts.sum(axis=1)
    return float(_ratio(counts.diagonal(), rows)[rows > 0].mean()) if rows.any() else 0.0


def _per_class(counts: Any, score: Callable[[Any, Any, Any], Any]) -> Any:
    """Return the scores of the classes that there are, in the labels or in what was found."""
    hits, rows, columns = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    scores = score(hits, rows, columns)[rows + columns > 0]
    return scores.mean() if len(scores) else 0.0


def _f1(hits: Any, rows: Any, columns: Any) -> Any:
    return _ratio(2 * hits, rows + columns)


def _precision(hits: Any, rows: Any, columns: Any) -> Any:  # noqa: ARG001 - one shape for all scores
    return _ratio(hits, columns)


def _recall(hits: Any, rows: Any, columns: Any) -> Any:  # noqa: ARG001 - the same
    return _ratio(hits, rows)


def _macro(score: Callable[[Any, Any, Any], Any]) -> Callable[[Any], float]:
    return lambda counts: float(_per_class(counts, score))


def _of_class_1(score: Callable[[Any, Any, Any], Any]) -> Callable[[Any], float]:
    return lambda counts: float(score(counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0))[1])


_LABEL_SCORES: dict[str, Callable[[Any], float]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _macro(_f1),
    "f1_binary": _of_class_1(_f1),
    "f1_macro": _macro(_f1),
    "precision": _of_class_1(_precision),
    "precision_macro": _macro(_precision),
    # Of one label a row, what is found wrongly is missed elsewhere: all three are one number.
    "precision_micro": _accuracy,
    "recall": _of_class_1(_recall),
    "recall_macro": _macro(_recall),
    "recall_micro": _accuracy,
}
_NUMBER_SCORES: dict[str, Callable[[Any], float]] = {
    "mse": lambda squares: float(squares[1] / max(squares[0], 1)),
    "r2": lambda squares: float(1 - squares[1] / squares[2]) if squares[2] else 0.0,
}
