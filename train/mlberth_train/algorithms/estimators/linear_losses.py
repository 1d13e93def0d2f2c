"""The losses of linear-learner: values, names in the log, and scikit-learn's estimator for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth_train.algorithms.estimators.data import SEED
from mlberth_train.algorithms.estimators.linear_table import loss_of

SQUARES = ("squared_loss", "eps_insensitive_squared_loss")
_SGD = {
    "logistic": "log_loss",
    "hinge_loss": "hinge",
    "squared_loss": "squared_error",
    "absolute_loss": "epsilon_insensitive",
    "eps_insensitive_absolute_loss": "epsilon_insensitive",
    "eps_insensitive_squared_loss": "squared_epsilon_insensitive",
    "huber_loss": "huber",
}
_OBJECTIVES = {
    "logistic": "binary_classification_cross_entropy_objective",
    "softmax_loss": "multiclass_cross_entropy_objective",
    "squared_loss": "mse_objective",
}
_ITERATIONS = 10
_LEAST = 1e-15
"""A probability that is not 0, so that it has a logarithm."""


def objective_name(given: Mapping[str, Any]) -> str:
    """Return what the log calls the loss."""
    loss = loss_of(given)
    return _OBJECTIVES.get(loss, f"{loss}_objective")


def objective(given: Mapping[str, Any], decision: Any, labels: Any) -> float:
    """Return the mean loss of what a model says: logits, margins or numbers, of shape (rows, outputs)."""
    import numpy as np

    loss = loss_of(given)
    if loss == "softmax_loss":
        chosen = probabilities(decision)[np.arange(len(labels)), labels.astype(int)]
        return float(-np.log(np.maximum(chosen, _LEAST)).mean())
    values = decision[:, 0]
    signed = np.where(labels > 0, values, -values)
    error = labels - values
    size = np.abs(error)
    if loss == "logistic":
        found = np.logaddexp(0, -signed)
    elif loss == "hinge_loss":
        found = np.maximum(0, given["margin"] - signed)
    elif loss == "squared_loss":
        found = error**2
    elif loss == "quantile_loss":
        found = np.maximum(given["quantile"] * error, (given["quantile"] - 1) * error)
    elif loss == "huber_loss":
        delta = given["huber_delta"]
        found = np.where(size <= delta, error**2 / 2, delta * size - delta**2 / 2)
    else:
        beyond = np.maximum(0, size - (0 if loss == "absolute_loss" else given["loss_insensitivity"]))
        found = beyond**2 if loss == "eps_insensitive_squared_loss" else beyond
    return float(found.mean())


def probabilities(decision: Any) -> Any:
    """Return the probability of each class."""
    import numpy as np

    each = np.exp(decision - decision.max(axis=1, keepdims=True))
    return each / each.sum(axis=1, keepdims=True)


def in_label_units(given: Mapping[str, Any], label_scale: float) -> dict[str, Any]:
    """Return the hyperparameters with the sizes of errors as labels have them, not normalized ones."""
    return {**given, **{name: given[name] * label_scale for name in ("huber_delta", "loss_insensitivity")}}


def uses_sgd(given: Mapping[str, Any]) -> bool:
    """Say whether a loss is learnt row by row."""
    return loss_of(given) in _SGD


def make_estimator(given: Mapping[str, Any], wd: float, *, rows: int, step: float, use_bias: bool) -> Any:
    """Return scikit-learn's estimator of normalized rows; `step` is the first one that SGD takes."""
    from sklearn.linear_model import QuantileRegressor, SGDClassifier, SGDRegressor

    loss, l1 = loss_of(given), 0.0 if given["l1"] == "auto" else given["l1"]
    if loss == "quantile_loss":
        return QuantileRegressor(quantile=given["quantile"], alpha=l1, fit_intercept=use_bias, solver="highs")
    if loss == "softmax_loss":
        return _softmax(wd, l1, use_bias=use_bias, rows=rows)
    if loss == "hinge_loss":
        wd *= given["margin"]  # its weights are those of the margin 1, times the margin
    alpha = wd + l1
    epsilon = given["huber_delta"] if loss == "huber_loss" else given["loss_insensitivity"]
    return (SGDClassifier if loss in ("logistic", "hinge_loss") else SGDRegressor)(
        loss=_SGD[loss],
        penalty="elasticnet" if alpha else None,
        alpha=alpha or 1.0,
        l1_ratio=l1 / alpha if alpha else 0.0,
        epsilon=0.0 if loss == "absolute_loss" else epsilon,
        fit_intercept=use_bias,
        learning_rate="invscaling" if given["learning_rate"] == "auto" else "constant",
        eta0=step if given["learning_rate"] == "auto" else given["learning_rate"],
        power_t=0.25,
        average=rows,  # from the second epoch on: the mean of the weights is steadier than the last ones
        random_state=SEED,
    )


def _softmax(wd: float, l1: float, *, use_bias: bool, rows: int) -> Any:
    """Return a LogisticRegression whose every `fit` goes on for some iterations."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    strength = 1 / ((wd + l1) * rows) if wd + l1 else np.inf
    model = LogisticRegression(
        C=strength, fit_intercept=use_bias, warm_start=True, max_iter=_ITERATIONS, random_state=SEED
    )
    if not l1:
        return model
    # From scikit-learn 1.8 on, the ratio alone says it.
    penalty = {"penalty": "elasticnet"} if model.penalty == "l2" else {}
    return model.set_params(solver="saga", l1_ratio=l1 / (wd + l1), **penalty)
