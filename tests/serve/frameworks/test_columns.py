"""Models that were trained on a data frame, and know their columns by name."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth.errors import ModelLoadError
from mlberth_serve.app.application import Application

pd = pytest.importorskip("pandas")

TRAINED = {"size": [1.0, 2.0, 3.0, 4.0], "colour": ["red", "blue", "red", "blue"]}
PRICES = [10.0, 120.0, 30.0, 140.0]  # ten times the size, and a hundred for blue


@pytest.fixture
def by_colour() -> Any:
    """Return a pipeline that selects its columns by name."""
    encode = ColumnTransformer([("colour", OneHotEncoder(), ["colour"])], remainder="passthrough")
    return make_pipeline(encode, LinearRegression()).fit(pd.DataFrame(TRAINED), PRICES)


@pytest.fixture
def plain() -> Any:
    """Return a model that takes numbers alone, and yet was trained on named columns."""
    return LinearRegression().fit(pd.DataFrame({"a": [0, 1, 0], "b": [0, 0, 1]}), [0, 2, 3])


def post(application: Application, body: str, content_type: str) -> TestResponse:
    """Ask for a prediction as CSV."""
    headers = {"Accept": "text/csv"}
    return Client(application).post("/invocations", data=body, content_type=content_type, headers=headers)


BLUE_THREE = {
    "by place": ("3,blue\n", "text/csv"),
    "header": ("size,colour\n3,blue\n", "text/csv; header=present"),
    "header in another order, and more": ("id,colour,size\n7,blue,3\n", "text/csv; header=present"),
    "rows": ('[[3, "blue"]]', "application/json"),
    "records": ('[{"colour": "blue", "size": 3, "id": 7}]', "application/json"),
    "records as lines": ('{"colour": "blue", "size": 3}\n', "application/jsonlines"),
}


@pytest.mark.parametrize(("body", "content_type"), BLUE_THREE.values(), ids=BLUE_THREE)
def test_columns_are_found_by_name(
    model_dir: Path, load_project: LoadProject, by_colour: Any, body: str, content_type: str
) -> None:
    """A ColumnTransformer gets its columns: by name where the body has names, else by place."""
    joblib.dump(by_colour, model_dir / "model.joblib")
    answer = post(load_project(), body, content_type)
    assert answer.status_code == 200, answer.text
    assert float(answer.text) == pytest.approx(130)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("1,10\n", "text/csv"),
        ("b,a\n10,1\n", "text/csv; header=present"),
        ('[{"b": 10, "a": 1}]', "application/json"),
    ],
)
def test_numbers_are_reordered_without_a_frame(
    model_dir: Path, load_project: LoadProject, plain: Any, body: str, content_type: str
) -> None:
    """A model that needs no data frame gets an array, in its own order, and nothing is warned of."""
    joblib.dump(plain, model_dir / "model.joblib")
    application = load_project()
    with warnings.catch_warnings(record=True) as caught:
        assert float(post(application, body, content_type).text) == pytest.approx(32)
    assert caught == []


def test_missing_column_is_named(model_dir: Path, load_project: LoadProject, by_colour: Any) -> None:
    """A body without one of the model's columns is 400."""
    joblib.dump(by_colour, model_dir / "model.joblib")
    for body, content_type in [
        ("size\n3\n", "text/csv; header=present"),
        ('[{"size": 3}]', "application/json"),
    ]:
        answer = post(load_project(), body, content_type)
        assert (answer.status_code, "colour" in answer.text) == (400, True)


def test_pandas_is_asked_for_at_the_load(
    model_dir: Path, load_project: LoadProject, by_colour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without pandas such a model is refused when it is loaded, not at the first request."""
    joblib.dump(by_colour, model_dir / "model.joblib")
    monkeypatch.delitem(sys.modules, "pandas")
    monkeypatch.setattr("mlberth_serve.frameworks.sklearn.find_spec", lambda _: None)
    with pytest.raises(ModelLoadError, match="pandas"):
        load_project()


def test_xgboost_knows_its_columns(model_dir: Path, load_project: LoadProject) -> None:
    """A Booster of named columns gets them by name too."""
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.zeros(40)})
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(frame, np.arange(40) > 20), 3)
    booster.save_model(model_dir / "model.ubj")
    application = load_project()
    expected = post(application, "35,0\n", "text/csv").text
    assert post(application, "b,a\n0,35\n", "text/csv; header=present").text == expected
    assert post(application, "0,35\n", "text/csv").text != expected
