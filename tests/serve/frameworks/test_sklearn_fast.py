"""Linear models without the checks of each call: the predictions of predict(), or predict() itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.svm import LinearSVC, LinearSVR

from mlberth_serve.codecs.base import Table
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks import sklearn
from mlberth_serve.frameworks.sklearn_fast import find_linear, make_linear_predict, scores_tell
from mlberth_serve.handler.context import Context

ROWS = np.random.default_rng(3).normal(size=(60, 5))
BINARY = (ROWS.sum(axis=1) > 0).astype(int)
CLASSES = np.digitize(ROWS[:, 0], [-0.5, 0.5])
VALUES = ROWS @ [1.0, -2, 3, 0.5, 0]


class Shifted(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """Decides by a rule of its own."""

    def decision_function(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Shift the scores."""
        return super().decision_function(X) + 1


def own_predict() -> Any:
    """Return a model whose predict was put into the object."""
    model = LogisticRegression().fit(ROWS, BINARY)
    model.predict = lambda rows: np.zeros(len(rows))
    return model


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression().fit(ROWS, BINARY),
        LogisticRegression().fit(ROWS, CLASSES),
        LogisticRegression(fit_intercept=False).fit(ROWS, np.array(["no", "yes"])[BINARY]),
        LogisticRegression().fit(ROWS.astype("f4"), BINARY.astype(bool)),
        SGDClassifier(random_state=0).fit(ROWS, CLASSES),
        SGDClassifier(random_state=0).fit(ROWS, BINARY).sparsify(),
        Perceptron().fit(ROWS, BINARY),
        LinearSVC().fit(ROWS, CLASSES),
        LinearRegression().fit(ROWS, VALUES),
        LinearRegression().fit(ROWS, np.stack([VALUES, -VALUES], axis=1)),
        Ridge().fit(ROWS, VALUES),
        LinearSVR().fit(ROWS, VALUES),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("count", [1, 2, 60])
def test_predictions_are_those_of_the_model(model: Any, count: int) -> None:
    """To the bit, in type and shape, for one row and for many."""
    predict = find_linear(model)
    assert predict is not None
    rows = ROWS[:count] * 7
    for array in (rows, np.asfortranarray(rows)):
        found, expected = predict(model, array), model.predict(array)
        assert found is not None
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        Shifted().fit(ROWS, BINARY),
        own_predict(),
        RidgeClassifier().fit(ROWS, BINARY),
        BayesianRidge().fit(ROWS, VALUES),
        ElasticNet().fit(ROWS, VALUES),
        Lasso().fit(ROWS, VALUES),
        DummyClassifier().fit(ROWS, BINARY),
        object(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_predicts_in_its_own_way_is_asked(model: Any) -> None:
    """Also what was never fitted, which then says so itself."""
    assert find_linear(model) is None


@pytest.mark.parametrize(
    "rows",
    [ROWS.astype("f4"), ROWS.astype(int), ROWS.astype(object), Table.of(ROWS, "abcde"), csr_matrix(ROWS)],
    ids=["f4", "integers", "objects", "named", "sparse"],
)
def test_rows_that_want_a_check_or_a_conversion_go_to_the_model(rows: Any) -> None:
    """Only numbers of 64 bits are what every check lets through unchanged."""
    predict = make_linear_predict(lambda *_: VALUES, 5, lambda data, *_: [data])
    (given,) = predict(rows, None, Context())
    assert given is rows
    for plain in (ROWS, ROWS.tolist(), ROWS[0]):
        assert predict(plain, None, Context()) is VALUES


@pytest.mark.parametrize(
    ("coefficients", "count", "expected"),
    [
        (np.ones((1, 5)), 4000, True),
        (np.ones(5), 4000, True),
        (np.ones((3, 5)), 4000, True),
        (np.ones((4, 5)), 1000, False),
        (np.ones((1, 5)), 100, False),
        (np.array([[1.0, 1, 0, 1, 1]]), 4000, False),
        (np.ones((1, 5), int), 4000, False),
        (csr_matrix(np.ones((1, 5))), 4000, False),
    ],
    ids=["two classes", "one output", "three", "many", "few rows", "a zero", "integers", "sparse"],
)
def test_scores_are_looked_at_where_they_tell_all_and_are_far_fewer(
    coefficients: Any, count: int, expected: bool
) -> None:
    """Otherwise each cell is."""
    assert scores_tell(np.ones((count, 5)), coefficients) is expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 4000])
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression().fit(ROWS, BINARY),
        LogisticRegression().fit(ROWS, CLASSES),
        LogisticRegression(l1_ratio=1, solver="liblinear", C=0.1).fit(ROWS, CLASSES > 1),
        LinearRegression().fit(ROWS * 1e-9, np.stack([VALUES, -VALUES], axis=1)),
        SGDClassifier(penalty="l1", alpha=0.1, random_state=0).fit(ROWS, BINARY).sparsify(),
    ],
    ids=["two classes", "three classes", "zeros", "two outputs", "sparse"],
)
def test_one_faulty_cell_is_left_to_the_model(model: Any, column: int, fault: float, count: int) -> None:
    """Wherever it stands, also where its coefficient is zero, and without a warning of ours."""
    predict = find_linear(model)
    assert predict is not None
    rows = np.resize(ROWS, (count, 5))
    assert predict(model, rows) is not None
    rows[-1, column] = fault
    if np.isfinite(fault):
        with np.errstate(over="ignore"):
            found = predict(model, rows)
            assert found is None or found.tolist() == model.predict(rows).tolist()
    else:
        assert predict(model, rows) is None


def test_faulty_rows_are_refused_as_before() -> None:
    """With the reason that can be seen in them."""
    model = LogisticRegression().fit(ROWS, BINARY)
    predict = sklearn.make_predict(model)
    context = Context()
    assert predict(ROWS, model, context).tolist() == model.predict(ROWS).tolist()
    assert predict(ROWS.astype(int), model, context).tolist() == model.predict(ROWS.astype(int)).tolist()
    with pytest.raises(BadRequestError, match="missing or infinite"):
        predict(np.full((2, 5), np.nan), model, context)
    with pytest.raises(BadRequestError, match="rows of 5 cells"):
        predict(ROWS[:, :4], model, context)


def test_a_model_that_changes_predicts_as_it_is_now() -> None:
    """Nothing of it was kept aside."""
    model = LinearRegression().fit(ROWS, VALUES)
    predict = find_linear(model)
    assert predict is not None
    model.coef_ = model.coef_ * 2
    found = predict(model, ROWS)
    assert found is not None
    assert found.tolist() == model.predict(ROWS).tolist()
