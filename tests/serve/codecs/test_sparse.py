"""Sparse rows on their way into models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from mlberth_serve.codecs import READERS
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.frameworks import find_owner
from mlberth_serve.frameworks.rows import to_dense
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import LIBSVM, parse_content_type

sparse = pytest.importorskip("scipy.sparse")
IRIS, SPECIES = load_iris(return_X_y=True)


def decode(body: bytes) -> Any:
    """Read libsvm."""
    return READERS[LIBSVM].decode(body, parse_content_type(LIBSVM)).array


def predict(model: Any, data: Any) -> Any:
    """Ask a model as its framework does."""
    framework = find_owner(model)
    assert framework
    return framework.make_predict(model)(data, model, Context())


def test_sklearn_reads_what_is_not_there_as_zero() -> None:
    """A narrower sparse row ends with zeros."""
    model = LogisticRegression(max_iter=1000).fit(IRIS, SPECIES)
    expected = model.predict([[5, 3, 0, 0], [0, 0, 0, 2]])
    assert predict(model, decode(b"0:5 1:3\n3:2\n")).tolist() == expected.tolist()
    assert predict(model, decode(b"0:5 1:3\n")).tolist() == expected[:1].tolist()


def test_xgboost_reads_what_is_not_there_as_missing() -> None:
    """A cell that is not there is missing, as in training on libsvm."""
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(IRIS, SPECIES), 3)
    expected = booster.predict(xgboost.DMatrix(np.array([[5, 3, np.nan, np.nan]])))
    np.testing.assert_allclose(predict(booster, decode(b"0:5 1:3")), expected, rtol=1e-6)


def test_wider_rows_are_refused() -> None:
    """A column that the model does not have is 400."""
    model = LogisticRegression(max_iter=1000).fit(IRIS, SPECIES)
    with pytest.raises(BadRequestError, match="column 4"):
        predict(model, decode(b"4:1"))


def test_dense_rows_are_made_within_bounds() -> None:
    """For a model that takes arrays alone sparse rows are filled up, but never beyond the cap."""
    assert to_dense(decode(b"1:2")).tolist() == [[0, 2]]
    with pytest.raises(RequestError) as caught:
        to_dense(decode(b"2000000000:1"))
    assert caught.value.status == 413
