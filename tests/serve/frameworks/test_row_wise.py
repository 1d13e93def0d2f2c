"""What is batched by default: every estimator of scikit-learn that is named predicts each row by itself."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import NMF, MiniBatchNMF
from sklearn.ensemble import VotingRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators

from mlberth_serve.frameworks.row_wise import ROW_WISE, is_row_wise

CHANCE = np.random.default_rng(3)
ROWS = CHANCE.normal(size=(90, 5))
DATA = (ROWS, np.abs(ROWS), CHANCE.integers(0, 4, size=(90, 5)).astype(float), ROWS[:, :1])
CLASSES = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)
NUMBERS = ROWS @ np.arange(1, 6)
TARGETS = (CLASSES, NUMBERS, np.abs(NUMBERS) + 1, np.c_[CLASSES, ROWS[:, 2] > 0], np.c_[NUMBERS, NUMBERS**2])
ESTIMATORS: dict[str, Any] = dict(all_estimators())
OF_CLASSIFIERS = {"FrozenEstimator", "RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector"}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "GridSearchCV": {"estimator": Ridge(), "param_grid": {"alpha": [1, 2]}},
    "RandomizedSearchCV": {"estimator": Ridge(), "param_distributions": {"alpha": [1, 2]}, "n_iter": 2},
    "RANSACRegressor": {"estimator": LinearRegression()},
    "Pipeline": {"steps": [("scale", StandardScaler()), ("model", Ridge())]},
    "FeatureUnion": {"transformer_list": [("scale", StandardScaler())]},
    "ColumnTransformer": {"transformers": [("scale", StandardScaler(), [0, 1])]},
}


def make(name: str) -> Any:
    """Return an estimator, with others in it if it needs them."""
    kind = ESTIMATORS[name]
    parameters = inspect.signature(kind.__init__).parameters
    classifies = "Class" in name or name in OF_CLASSIFIERS
    arguments = dict(ARGUMENTS.get(name, {}))
    if "estimator" in parameters and not arguments:
        arguments["estimator"] = a_model(classifies)
    if "estimators" in parameters:
        arguments["estimators"] = [("a", a_model(classifies)), ("b", another(classifies))]
    if name == "FrozenEstimator":
        arguments["estimator"].fit(ROWS, CLASSES)
    return kind(**arguments)


def a_model(classifies: bool) -> Any:
    """Return an estimator for what another is made of."""
    return LogisticRegression() if classifies else Ridge()


def another(classifies: bool) -> Any:
    """Return a second one."""
    return LogisticRegression(C=0.1) if classifies else LinearRegression()


def fitted(name: str) -> tuple[Any, Any]:
    """Return an estimator fitted to the first data that it takes, and those data."""
    problem: Exception | None = None
    for data in DATA:
        for target in TARGETS if name == "RANSACRegressor" else (*TARGETS, None):
            try:
                model = clone(make(name))
                return (model.fit(data) if target is None else model.fit(data, target)), data
            except Exception as error:  # noqa: BLE001 - made for other data
                problem = error
    raise AssertionError(name) from problem


def results(model: Any, rows: Any) -> Iterator[Any]:
    """Yield what a model makes of rows, by each method that a prediction may call."""
    for method in ("predict", "transform"):
        if hasattr(model, method):
            try:
                found = getattr(model, method)(rows)
            except ValueError:  # a method that asks for a fit of another kind
                continue
            yield found.toarray() if hasattr(found, "toarray") else np.asarray(found)


@pytest.mark.parametrize("name", sorted(ROW_WISE & ESTIMATORS.keys()))
@pytest.mark.filterwarnings("ignore")
def test_each_row_is_predicted_by_itself(name: str) -> None:
    """Alone and among random others, in any order and number: the same type, shape and value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, data = fitted(name)
        assert is_row_wise(model), name
        for trial in range(4):
            rows = data[CHANCE.permutation(len(data))[: 2 + 7 * trial]]
            together = list(results(model, rows))
            alone = [list(results(model, row[None])) for row in rows]
            assert together
            for number, found in enumerate(together):
                one_by_one = np.concatenate([each[number] for each in alone])
                assert (found.dtype, found.shape) == (one_by_one.dtype, one_by_one.shape)
                if found.dtype.kind == "f":
                    np.testing.assert_allclose(found, one_by_one, rtol=1e-9, atol=1e-9 * np.abs(found).max())
                else:
                    assert (found == one_by_one).all()


def test_list_is_closed() -> None:
    """A class that is not named is not batched; what solves for all rows together is not named."""
    refused = {"NMF", "MiniBatchNMF", "Birch", "SparsePCA", "FunctionTransformer", "DictionaryLearning"}
    assert not refused & ROW_WISE
    for name in sorted(ESTIMATORS.keys() - ROW_WISE):
        try:
            model = make(name)
        except TypeError:  # it needs arguments of its own
            continue
        assert not is_row_wise(model), name


class Foreign:
    """A step as a Pipeline takes it, which is no estimator of scikit-learn's."""

    def fit(self, rows: Any, target: Any = None) -> Foreign:  # noqa: ARG002 - scikit-learn's interface
        """Learn nothing."""
        return self

    def transform(self, rows: Any) -> Any:
        """Look from one row to another."""
        return rows - rows.mean(0)


class OwnRidge(Ridge):  # type: ignore[misc]
    """A class of the user's."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Look from one row to another."""
        return super().predict(X - X.mean(0))


class OwnEstimator(BaseEstimator):  # type: ignore[misc]
    """Another."""


def share(target: Any) -> Any:
    """Look from one prediction to another."""
    return target / target.sum()


def distance(one: Any, other: Any) -> float:
    """Return a distance of the user's own."""
    return float(np.abs(one - other).sum())


MODELS: dict[str, Any] = {
    "a foreign step": make_pipeline(Foreign(), Ridge()),
    "a foreign step, deep": make_pipeline(
        FeatureUnion([("a", make_pipeline(StandardScaler(), Foreign()))]), Ridge()
    ),
    "a class of the user's": OwnRidge(),
    "one in an ensemble": VotingRegressor([("a", Ridge()), ("b", OwnRidge())]),
    "one in a search": GridSearchCV(OwnRidge(), {"alpha": [1, 2]}),
    "one in a column": make_pipeline(ColumnTransformer([("a", FunctionTransformer(share), [0, 1])]), Ridge()),
    "a free function": make_pipeline(FunctionTransformer(np.abs), Ridge()),
    "a function of the target": TransformedTargetRegressor(
        Ridge(), func=np.log1p, inverse_func=share, check_inverse=False
    ),
    "numpy's function of the target": TransformedTargetRegressor(
        Ridge(), func=np.log1p, inverse_func=np.cumsum, check_inverse=False
    ),
    "a metric": KNeighborsRegressor(metric=distance),
    "a lambda": KNeighborsRegressor(weights=lambda distances: 1 / (distances + 1)),
    "NMF": make_pipeline(NMF(2, max_iter=20), Ridge()),
    "MiniBatchNMF": make_pipeline(MiniBatchNMF(2, max_iter=20), Ridge()),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_models_with_anything_of_the_users_are_not_batched(name: str) -> None:
    """However deep it stands, before and after the fit."""
    model = MODELS[name]
    assert not is_row_wise(model)
    assert not is_row_wise(model.fit(np.abs(ROWS), np.abs(NUMBERS)))


OWN: dict[str, Any] = {
    "a function that scores": make_pipeline(SelectKBest(f_regression, k=2), Ridge()),
    "a kernel": KernelRidge(kernel="rbf"),
    "a type": make_pipeline(OneHotEncoder(dtype=np.float32, handle_unknown="ignore"), Ridge()),
    "a function that does nothing": make_pipeline(FunctionTransformer(), Ridge()),
    "a target that is not changed": TransformedTargetRegressor(Ridge()),
}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.filterwarnings("ignore")
def test_what_scikit_learn_brings_itself_is_batched(name: str) -> None:
    """Functions that only score, kernels, types."""
    assert is_row_wise(OWN[name].fit(ROWS, NUMBERS))


def test_attribute_that_was_set_later_is_seen() -> None:
    """A model is looked at as it is, and not as it was made."""
    model = Ridge().fit(ROWS, NUMBERS)
    assert is_row_wise(model)
    model.predict = lambda rows: rows[:, 0] - rows[:, 0].mean()
    assert not is_row_wise(model)
    loop = make_pipeline(StandardScaler(), Ridge()).fit(ROWS, NUMBERS)
    loop.itself = loop
    assert is_row_wise(loop)
    assert not is_row_wise(OwnEstimator())
