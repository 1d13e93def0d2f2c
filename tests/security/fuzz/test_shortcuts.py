"""What the fast ways of scikit-learn and XGBoost predict, beside the libraries' own, over random models."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn import linear_model, svm
from tests.security.fuzz.fuzzing import Fuzzer

from mlberth_serve.errors import RequestError
from mlberth_serve.frameworks import sklearn as sklearn_framework
from mlberth_serve.frameworks import xgboost as xgboost_framework
from mlberth_serve.handler.context import Context

CLASSIFIERS = [
    linear_model.LogisticRegression,
    linear_model.SGDClassifier,
    linear_model.Perceptron,
    linear_model.RidgeClassifier,
    svm.LinearSVC,
]
REGRESSORS = [linear_model.LinearRegression, linear_model.Ridge, linear_model.SGDRegressor, svm.LinearSVR]
EDGES = [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 0.0, -0.0]
DTYPES = ["f8", "f8", "f8", "f4", "i8", "i4", "?", "u1"]
BOOSTERS: list[dict[str, Any]] = [
    {"objective": "binary:logistic"},
    {"objective": "reg:squarederror", "booster": "dart"},
    {"objective": "multi:softprob", "num_class": 3},
    {"objective": "multi:softmax", "num_class": 3},
    {"objective": "reg:squarederror", "booster": "gblinear"},
    {"objective": "count:poisson"},
]


def rows_of(chance: random.Random, width: int) -> Any:
    """Return an array of rows: of any type, order and stride, sometimes with edge values."""
    rng = np.random.default_rng(chance.getrandbits(32))
    rows = rng.normal(size=(chance.choice([1, 1, 2, 7, 300]), width)) * chance.choice([1e-3, 1, 1, 1e6])
    if chance.random() < 0.3:
        rows[chance.randrange(len(rows)), chance.randrange(width)] = chance.choice(EDGES)
    with np.errstate(all="ignore"):
        rows = rows.astype(chance.choice(DTYPES))
    order = chance.randrange(4)
    return [rows, np.asfortranarray(rows), rows[::-1], np.repeat(rows, 2, axis=1)[:, ::2]][order]


def ended(predict: Any) -> Any:
    """Return type, shape and bits of a prediction; "refused" where the rows cannot be predicted."""
    try:
        found = np.asarray(predict())
    except (RequestError, ValueError):
        return "refused"
    return found.dtype.str, found.shape, found.tobytes() if found.dtype != object else found.tolist()


def compare(name: str, short: int, make: Any, own: Any, make_predict: Any) -> None:
    """Predict by the framework's predict_fn and by the library; twenty bodies for each model."""
    fuzzer = Fuzzer(name, short=short, long=100 * short)
    figures = {"inputs": 0, "refused": 0, "faults": 0}
    for number in fuzzer.numbers():
        chance = fuzzer.chance(number)
        model, width = make(chance)
        predict = make_predict(model)
        for _ in range(20):
            rows = rows_of(chance, width)
            context = Context()
            expected = ended(lambda rows=rows, model=model: own(model, rows))
            found = ended(
                lambda rows=rows, model=model, predict=predict, context=context: predict(rows, model, context)
            )
            figures["inputs"] += 1
            figures["refused"] += expected == "refused"
            if found != expected:
                fuzzer.fail(number, f"{model} of {rows.dtype} {rows.shape}: not its own", rows.tobytes())
    figures["faults"] = len(fuzzer.failures)
    fuzzer.report(**figures)
    assert fuzzer.failures == []
    assert figures["refused"] < figures["inputs"] / 2


def make_linear(chance: random.Random) -> tuple[Any, int]:
    """Return a fitted linear model, of any classes or outputs, and its number of columns."""
    width = chance.randint(1, 6)
    rng = np.random.default_rng(chance.getrandbits(32))
    rows = rng.normal(size=(60, width))
    scores = rows @ rng.normal(size=width)
    if chance.random() < 0.6:
        model = chance.choice(CLASSIFIERS)(fit_intercept=chance.random() < 0.8)
        edges = np.quantile(scores, chance.choice([[0.5], [0.3, 0.6]]))
        labels = np.array(chance.choice([[0, 1, 2], [-5, 7, 9], [1.0, 2.0, 3.0], ["a", "bb", "ccc"]]))
        model.fit(rows, labels[np.digitize(scores, edges)])
        if hasattr(model, "sparsify") and chance.random() < 0.3:
            model.sparsify()
        return model, width
    model = chance.choice(REGRESSORS)(fit_intercept=chance.random() < 0.8)
    several = isinstance(model, linear_model.LinearRegression | linear_model.Ridge)
    targets = np.stack([scores, -scores], axis=1) if several and chance.random() < 0.5 else scores
    return model.fit(rows.astype(chance.choice(["f8", "f4"])), targets), width


def make_booster(chance: random.Random) -> tuple[Any, int]:
    """Return a Booster of a few rounds, and its number of columns."""
    width = chance.randint(1, 6)
    rng = np.random.default_rng(chance.getrandbits(32))
    rows = rng.normal(size=(60, width))
    parameters = {**chance.choice(BOOSTERS), "nthread": 1, "verbosity": 0}
    labels = rng.integers(0, 3 if "num_class" in parameters else 2, 60)
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, labels), chance.randint(1, 6))
    if chance.random() < 0.3:
        booster.set_attr(best_iteration="0")
    return booster, width


def booster_predicts(model: Any, rows: Any) -> Any:
    """Return what a Booster says; rows with a finite number that is none as float32 are refused."""
    with np.errstate(over="ignore"):
        if (np.isinf(rows.astype("f4")) & np.isfinite(rows)).any():
            raise ValueError
    best = model.attr("best_iteration")
    iterations = (0, int(best) + 1) if best else (0, 0)
    if '"gblinear"' in model.save_config():  # has no in-place prediction
        matrix = xgboost.DMatrix(rows, missing=np.nan, nthread=1)
        return model.predict(matrix, iteration_range=iterations, validate_features=False)
    return model.inplace_predict(rows, iteration_range=iterations, validate_features=False)


@pytest.mark.filterwarnings("ignore")
def test_linear_models_predict_as_they_do_themselves() -> None:
    """Whatever the model, the type and the values of the rows: to the bit, or the same refusal."""
    compare(
        "linear", 40, make_linear, lambda model, rows: model.predict(rows), sklearn_framework.make_predict
    )


@pytest.mark.filterwarnings("ignore")
def test_boosters_predict_as_they_do_themselves() -> None:
    """By the C interface as by inplace_predict: to the bit, or the same refusal."""
    compare("boosters", 40, make_booster, booster_predicts, xgboost_framework.make_predict)
