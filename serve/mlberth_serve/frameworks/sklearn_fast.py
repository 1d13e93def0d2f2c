"""Predictions of scikit-learn's linear models, without the checks that come with each call.

For a few rows `predict()` is those checks: that the model was fitted, and what kind of array this is. The
product of the rows and the coefficients is 3 µs of its 110.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.frameworks.rows import to_rows
from mlberth_serve.handler.context import Context
from mlberth_serve.usercode.signatures import Function

LinearPredict = Callable[[Any, Array], Array | None]

_TRIAL_ROWS = 7
_MANY = 4096
"""So many fewer numbers to look at are worth the other way."""


def find_linear(model: Any) -> LinearPredict | None:
    """Return a predict(model, rows) for rows of float64; None for a model that is not linear.

    It is one for a class that leaves predict() to scikit-learn's own base, and that gives to the bit what
    predict() gives for a few rows. Its answer is None for rows that are not finite: predict() refuses them.
    """
    predict = next((predict for predict, methods in _METHODS.items() if _are_own(model, methods)), None)
    if predict is None:
        return None
    try:
        rows = np.random.default_rng(0).normal(scale=100.0, size=(_TRIAL_ROWS, model.n_features_in_))
        is_same = all(_is_same(predict(model, part), model.predict(part)) for part in (rows, rows[:1]))
    except Exception:  # noqa: BLE001 - of another version, or not fitted: predict() will say so
        return None
    return predict if is_same else None


def make_linear_predict(linear: LinearPredict, columns: int, predict: Function) -> Function:
    """Return a predict_fn that asks `linear`, and the model's own `predict` for what that leaves.

    `linear` is given arrays of float64, which the model would take as they are if all of it is finite.
    """

    def predict_fast(data: Any, model: Any, context: Context) -> Any:
        is_plain = type(data) is np.ndarray and data.ndim == 2 and data.shape[1] == columns and data.size
        rows = data if is_plain else to_rows(data, columns)
        found = linear(model, rows) if type(rows) is np.ndarray and rows.dtype == np.float64 else None
        return predict(rows, model, context) if found is None else found

    return predict_fast


def scores_tell(rows: Array, coefficients: Any) -> bool:
    """Return whether the scores of rows show that a cell is not finite, and are far fewer than the cells.

    Such a cell makes every score of its row so, but for a BLAS that leaves zero coefficients out.
    """
    if type(coefficients) is not np.ndarray or coefficients.dtype.kind != "f" or not rows.size:
        return False
    outputs = coefficients.size // rows.shape[1]
    spared = rows.size - coefficients.size - len(rows) * outputs
    return spared >= _MANY and bool(coefficients.all())


def _score(model: Any, rows: Array) -> Array | None:
    """Return the scores of rows; None if a cell is not finite, or if `predict` had better see to it."""
    coefficients = model.coef_
    if not scores_tell(rows, coefficients):
        return rows @ coefficients.T + model.intercept_ if np.isfinite(rows).all() else None
    with np.errstate(all="ignore"):
        scores: Array = rows @ coefficients.T + model.intercept_
    return scores if np.isfinite(scores).all() else None  # finite cells too may add up to what is not


def _classify(model: Any, rows: Array) -> Array | None:
    scores = _score(model, rows)
    if scores is None:
        return None
    chosen = (scores.reshape(-1) > 0).astype(np.intp) if scores.shape[1] == 1 else scores.argmax(axis=1)
    labels: Array = model.classes_.take(chosen, axis=0)
    return labels


def _are_own(model: Any, methods: Mapping[str, Collection[str]]) -> bool:
    """Return whether methods are those of scikit-learn's bases, in the class and in the object."""
    for method, bases in methods.items():
        function = getattr(type(model), method, None)
        name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
        if name not in {f"{base}.{method}" for base in bases} or method in vars(model):
            return False
    return True


def _is_same(found: Any, expected: Any) -> bool:
    return (
        type(found) is type(expected)
        and (found.dtype, found.shape) == (expected.dtype, expected.shape)
        and bool((found == expected).all())
    )


_CLASSIFIER = "sklearn.linear_model._base.LinearClassifierMixin"
_REGRESSOR = "sklearn.linear_model._base.LinearModel"
# They have a predict() of their own for the sake of its docstring.
_REGRESSORS = (
    _REGRESSOR,
    "sklearn.linear_model._base.MultiOutputLinearModel",
    "sklearn.linear_model._ridge.Ridge",
)
_METHODS: dict[LinearPredict, Mapping[str, Collection[str]]] = {
    _classify: {"predict": [_CLASSIFIER], "decision_function": [_CLASSIFIER]},
    _score: {"predict": _REGRESSORS, "_decision_function": [_REGRESSOR]},
}
"""What each takes the place of, and the bases that have it."""
