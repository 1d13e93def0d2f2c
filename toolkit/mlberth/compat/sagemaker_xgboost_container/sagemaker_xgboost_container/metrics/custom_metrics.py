"""Metrics of scikit-learn for XGBoost's training, which gives them raw predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Score = tuple[str, float]


def accuracy(preds: Any, dtrain: Any) -> Score:
    """Return the share of right labels."""
    return "accuracy", _of_labels("accuracy_score", preds, dtrain)


def balanced_accuracy(preds: Any, dtrain: Any) -> Score:
    """Return the mean share of right labels over the classes."""
    return "balanced_accuracy", _of_labels("balanced_accuracy_score", preds, dtrain)


def f1(preds: Any, dtrain: Any) -> Score:
    """Return the F1 score, the mean over the classes."""
    return "f1", _of_labels("f1_score", preds, dtrain, average="macro")


def f1_binary(preds: Any, dtrain: Any) -> Score:
    """Return the F1 score of two classes."""
    return "f1_binary", _of_labels("f1_score", preds, dtrain, average="binary")


def f1_macro(preds: Any, dtrain: Any) -> Score:
    """Return the F1 score, the mean over the classes."""
    return "f1_macro", _of_labels("f1_score", preds, dtrain, average="macro")


def precision(preds: Any, dtrain: Any) -> Score:
    """Return the precision of two classes."""
    return "precision", _of_labels("precision_score", preds, dtrain)


def precision_macro(preds: Any, dtrain: Any) -> Score:
    """Return the precision, the mean over the classes."""
    return "precision_macro", _of_labels("precision_score", preds, dtrain, average="macro")


def precision_micro(preds: Any, dtrain: Any) -> Score:
    """Return the precision over all rows."""
    return "precision_micro", _of_labels("precision_score", preds, dtrain, average="micro")


def recall(preds: Any, dtrain: Any) -> Score:
    """Return the recall of two classes."""
    return "recall", _of_labels("recall_score", preds, dtrain)


def recall_macro(preds: Any, dtrain: Any) -> Score:
    """Return the recall, the mean over the classes."""
    return "recall_macro", _of_labels("recall_score", preds, dtrain, average="macro")


def recall_micro(preds: Any, dtrain: Any) -> Score:
    """Return the recall over all rows."""
    return "recall_micro", _of_labels("recall_score", preds, dtrain, average="micro")


def mae(preds: Any, dtrain: Any) -> Score:
    """Return the mean absolute error."""
    return "mae", _scored("mean_absolute_error", dtrain.get_label(), preds)


def mse(preds: Any, dtrain: Any) -> Score:
    """Return the mean squared error."""
    return "mse", _scored("mean_squared_error", dtrain.get_label(), preds)


def rmse(preds: Any, dtrain: Any) -> Score:
    """Return the root of the mean squared error."""
    return "rmse", mse(preds, dtrain)[1] ** 0.5


def r2(preds: Any, dtrain: Any) -> Score:
    """Return the coefficient of determination."""
    return "r2", _scored("r2_score", dtrain.get_label(), preds)


CUSTOM_METRICS: dict[str, Callable[[Any, Any], Score]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "f1_binary": f1_binary,
    "f1_macro": f1_macro,
    "mae": mae,
    "mse": mse,
    "precision": precision,
    "precision_macro": precision_macro,
    "precision_micro": precision_micro,
    "r2": r2,
    "recall": recall,
    "recall_macro": recall_macro,
    "recall_micro": recall_micro,
    "rmse": rmse,
}


def get_custom_metrics(eval_metrics: Sequence[str]) -> list[str]:
    """Return those of the names that are metrics of this module, in their order."""
    return [name for name in eval_metrics if name in CUSTOM_METRICS]


def configure_feval(custom_metric_list: Sequence[str]) -> Callable[[Any, Any], list[Score]]:
    """Return one function for `xgboost.train` that computes several metrics."""

    def custom_feval(preds: Any, dtrain: Any) -> list[Score]:
        return [CUSTOM_METRICS[name](preds, dtrain) for name in custom_metric_list]

    return custom_feval


def _of_labels(name: str, preds: Any, dtrain: Any, **options: str) -> float:
    """Score labels: the greatest of several margins, or whether the one is above 0."""
    if not preds.size:
        return 0.0
    labels = preds.argmax(axis=-1) if preds.ndim > 1 else (preds > 0).astype(int)
    return _scored(name, dtrain.get_label(), labels, **options)


def _scored(name: str, right: Any, found: Any, **options: str) -> float:
    from sklearn import metrics

    return float(getattr(metrics, name)(right, found, **options))
