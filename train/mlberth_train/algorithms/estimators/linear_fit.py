"""The training of linear models: normalized rows, several models side by side, epoch after epoch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.estimators.data import SEED
from mlberth_train.algorithms.estimators.linear_losses import SQUARES, make_estimator, uses_sgd
from mlberth_train.algorithms.estimators.linear_table import BINARY, MULTICLASS, REGRESSOR, loss_of
from mlberth_train.algorithms.rows import Rows

_WEIGHT_DECAY = 1e-4
_DIVERGED = "Lower learning_rate, set normalize_data to true, or look for features that are far too large."


class Linear(NamedTuple):
    """What a linear model has learnt, for rows as they come."""

    weights: Any
    """Of shape (outputs, features)."""
    bias: Any
    """Of shape (outputs,)."""

    def decision(self, features: Any) -> Any:
        """Return logits, margins or numbers, of shape (rows, outputs)."""
        return features @ self.weights.T + self.bias


class Scaling(NamedTuple):
    """What rows are normalized by."""

    shift: Any
    scale: Any
    label_shift: float = 0.0
    label_scale: float = 1.0

    def features(self, features: Any) -> Any:
        """Return normalized features, float64."""
        from scipy import sparse

        if sparse.issparse(features):
            return (features.astype(float) @ sparse.diags(1 / self.scale)).tocsr()
        return (features.astype(float) - self.shift) / self.scale

    def undone(self, weights: Any, bias: Any) -> Linear:
        """Return the model for rows that are not normalized."""
        weights = weights / self.scale * self.label_scale
        return Linear(weights, bias * self.label_scale + self.label_shift - weights @ self.shift)


def scaling_of(rows: Rows, given: Mapping[str, Any]) -> Scaling:
    """Return means and deviations of the first rows, as the hyperparameters ask for them."""
    import numpy as np
    from scipy import sparse
    from sklearn.preprocessing import StandardScaler

    first = rows.features[: given["num_point_for_scaler"]].astype(float)
    is_sparse = sparse.issparse(first)  # a shift would fill it
    found = StandardScaler(with_mean=not is_sparse).fit(first)
    unbias, normalize = (
        _is_on(given, "unbias_data", given["use_bias"]),
        _is_on(given, "normalize_data", "true"),
    )
    shift = found.mean_ if unbias and not is_sparse else np.zeros(rows.width)
    scaling = Scaling(shift, found.scale_ if normalize else np.ones(rows.width))
    if given["predictor_type"] != REGRESSOR:
        return scaling
    labels = rows.labels[: given["num_point_for_scaler"]].astype(float)
    unbias, normalize = (
        _is_on(given, "unbias_label", given["use_bias"]),
        _is_on(given, "normalize_label", "true"),
    )
    return scaling._replace(
        label_shift=float(labels.mean()) if unbias and given["use_bias"].lower() == "true" else 0.0,
        label_scale=float(labels.std()) or 1.0 if normalize else 1.0,
    )


def _is_on(given: Mapping[str, Any], name: str, auto: str) -> bool:
    value: str = given[name]
    return (auto if value == "auto" else value).lower() == "true"


class Model:
    """One of the models that are trained side by side."""

    def __init__(
        self, given: Mapping[str, Any], wd: float, weights: Any, estimator: Any, *, has_column: bool
    ) -> None:
        self._given = given
        self._has_column = has_column
        self._weights = weights
        self._estimator = estimator
        self.wd = wd
        """The regularization that it is trained with."""

    def learn(self, features: Any, labels: Any, order: Any) -> tuple[Any, Any]:
        """Go through all rows once; return weights and bias.

        `order` says which of the job's rows each is. Raises ContractError if the numbers run away.
        """
        import numpy as np

        estimator, loss = self._estimator, loss_of(self._given)
        weights = None if self._weights is None else self._weights[order]
        try:
            if loss == "softmax_loss":
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # it goes on in the next epoch
                    estimator.fit(features, labels, weights)
            elif loss == "quantile_loss":
                estimator.fit(features, labels)
            elif self._given["predictor_type"] == BINARY:
                estimator.partial_fit(features, labels, np.arange(2), weights)
            else:
                estimator.partial_fit(features, labels)
        except ValueError as error:  # an overflow
            found = f"numbers that run away ({error})"
            raise ContractError(Fault("the model", found, "finite ones", _DIVERGED)) from error
        coefficients = np.atleast_2d(estimator.coef_)
        bias = np.broadcast_to(np.asarray(estimator.intercept_, float).reshape(-1), len(coefficients))
        if not (np.isfinite(coefficients).all() and np.isfinite(bias).all()):
            found = "weights that are no finite numbers"
            raise ContractError(Fault("the model", found, "finite ones", _DIVERGED))
        if self._has_column:
            coefficients, bias = coefficients[:, :-1], coefficients[:, -1]
        if loss == "softmax_loss":
            return _of_all_classes(coefficients, bias, estimator.classes_, self._given["num_classes"])
        margin = self._given["margin"] if loss == "hinge_loss" else 1.0
        return margin * coefficients, margin * bias


def _of_all_classes(coefficients: Any, bias: Any, classes: Any, count: int) -> tuple[Any, Any]:
    """Return weights and bias with a row for every class; one without rows in the data is never predicted."""
    import numpy as np

    if len(coefficients) == 1:  # of two classes only the second has weights
        coefficients, bias = np.vstack([0 * coefficients, coefficients]), np.append(0.0, bias)
    weights, biases = np.zeros((count, coefficients.shape[1])), np.full(count, -np.inf)
    weights[classes.astype(int)], biases[classes.astype(int)] = coefficients, bias
    return weights, biases


def make_models(features: Any, labels: Any, given: Mapping[str, Any], count: int) -> list[Model]:
    """Return the models that are trained side by side, the first with the hyperparameters as they are.

    `features` are normalized, `labels` need not be.
    """
    decay = _WEIGHT_DECAY if given["wd"] == "auto" else given["wd"]
    decays = list(dict.fromkeys(decay * factor for factor in _factors(count)))  # once, if it is 0
    has_column = _needs_column(features, given)
    estimator = partial(
        make_estimator,
        given,
        rows=len(labels),
        step=_first_step(features, given),
        use_bias=given["use_bias"].lower() == "true" and not has_column,
    )
    return [
        Model(given, wd, weights, estimator(wd), has_column=has_column)
        for wd in decays
        for weights in _row_weights(labels, given)
    ]


def _needs_column(features: Any, given: Mapping[str, Any]) -> bool:
    """Say whether a column of ones has to be the intercept: that of SGD hardly learns from sparse rows."""
    from scipy import sparse

    return bool(sparse.issparse(features)) and uses_sgd(given) and given["use_bias"].lower() == "true"


def _factors(count: int) -> list[float]:
    """Return so many of 1, 10, 0.1, 100, 0.01 and so on."""
    return [10.0 ** ((place + 1) // 2 * (1 if place % 2 else -1)) for place in range(count)]


def _first_step(features: Any, given: Mapping[str, Any]) -> float:
    """Return a first step that is as large as rows of such lengths allow."""
    from scipy import sparse

    squares = features.multiply(features) if sparse.issparse(features) else features**2
    lengths = 1 + squares.sum(axis=1)
    if loss_of(given) in SQUARES:  # the farther off a row is, the larger is its step
        return float(1 / lengths.max())
    return float((5 if given["predictor_type"] == BINARY else 2) / lengths.mean())


def _row_weights(labels: Any, given: Mapping[str, Any]) -> Iterator[Any]:
    """Yield weights of rows to train with, None for equal ones."""
    import numpy as np
    from sklearn.utils.class_weight import compute_sample_weight

    wanted = given["positive_example_weight_mult"] if given["predictor_type"] == BINARY else 1.0
    if given["predictor_type"] == MULTICLASS and given["balance_multiclass_weights"].lower() == "true":
        wanted = "balanced"
    if wanted in ("auto", 1.0):
        yield None
    if wanted in ("auto", "balanced"):
        yield compute_sample_weight("balanced", labels)
    elif wanted != 1.0:
        weights = np.where(labels > 0, wanted, 1.0)
        yield weights / weights.mean()  # steps stay as large as they are


def train_models(
    models: Sequence[Model], features: Any, rows: Rows, given: Mapping[str, Any], scaling: Scaling
) -> Iterator[list[Linear]]:
    """Yield what the models have learnt after each epoch; `features` are those of `rows`, normalized."""
    import numpy as np
    from scipy import sparse

    random = np.random.default_rng(SEED)
    labels = (rows.labels.astype(float) - scaling.label_shift) / scaling.label_scale
    if _needs_column(features, given):
        features = sparse.hstack([features, np.ones((rows.height, 1))], format="csr")
    # Quantiles are solved exactly, at once.
    for _ in range(1 if loss_of(given) == "quantile_loss" else given["epochs"]):
        order = random.permutation(rows.height)
        shuffled = features[order], labels[order], order
        yield [scaling.undone(*model.learn(*shuffled)) for model in models]


class Patience:
    """When a training has come to no better for so many epochs as the job says."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._tolerance = given["early_stopping_tolerance"]
        self._patience = given["early_stopping_patience"]
        self._best = math.inf
        self._since = 0

    def is_over(self, loss: float) -> bool:
        """Take the loss of an epoch, and say whether to end."""
        if math.isinf(self._best) or self._best - loss > self._tolerance * abs(self._best):
            self._best, self._since = loss, 0
        else:
            self._since += 1
        return bool(self._since >= self._patience)
