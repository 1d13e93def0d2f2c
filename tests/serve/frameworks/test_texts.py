"""Models of text, and rows of texts and numbers, as bodies and own input functions give them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from tests.serve.conftest import LoadProject
from werkzeug.test import Client, TestResponse

from mlberth_serve.app.application import Application

pd = pytest.importorskip("pandas")

TEXTS = ["small puppies", "puppies cats", "old rifle", "rifle parts"]
KINDS = ["pet", "pet", "gun", "gun"]
ASKED = ["rifle parts", "my puppies"]
LOAD = """import joblib, json, numpy, pandas
def model_fn(d): return joblib.load(d + '/model.joblib')
"""


def lower(texts: Any) -> Any:
    """Return texts in lower case."""
    return [text.lower() for text in texts]


class Lengths(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A vectorizer of the user's own."""

    def fit(self, texts: Any, kinds: Any = None) -> Lengths:  # noqa: ARG002 - scikit-learn's signature
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, texts: Any) -> Any:
        """Return whether a text has an `r`."""
        return np.array([[float("r" in text)] for text in texts])


MODELS: dict[str, Callable[[], Any]] = {
    "tfidf": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts": lambda: make_pipeline(CountVectorizer(), MultinomialNB()),
    "hashing": lambda: make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()),
    "union": lambda: make_pipeline(
        make_union(TfidfVectorizer(), CountVectorizer(analyzer="char")), LogisticRegression()
    ),
    "cleaned before": lambda: make_pipeline(
        FunctionTransformer(lower), TfidfVectorizer(), LogisticRegression()
    ),
    "grid search": lambda: GridSearchCV(
        make_pipeline(TfidfVectorizer(), LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2
    ),
    "own vectorizer": lambda: make_pipeline(Lengths(), LogisticRegression(C=100)),
}
BODIES: dict[str, tuple[str, bytes]] = {
    "list": ("application/json", json.dumps(ASKED).encode()),
    "rows": ("application/json", json.dumps([[text] for text in ASKED]).encode()),
    "instances": ("application/json", json.dumps({"instances": ASKED}).encode()),
    "lines": ("application/jsonlines", "\n".join(map(json.dumps, ASKED)).encode()),
    "CSV": ("text/csv", "\n".join(ASKED).encode()),
    "CSV with a header": ("text/csv; header=present", "\n".join(["text", *ASKED]).encode()),
}


def post(application: Application, content_type: str, body: bytes) -> TestResponse:
    """Send a prediction request."""
    return Client(application).post("/invocations", data=body, content_type=content_type)


def save(model: Any, model_dir: Path, handler: str = "") -> None:
    """Write a model, and a handler if one is given."""
    joblib.dump(model, model_dir / "model.joblib")
    if handler:
        (model_dir / "code").mkdir()
        (model_dir / "code/inference.py").write_text(handler)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_texts_are_predicted_one_by_one(
    model_dir: Path, load_project: LoadProject, make: Callable[[], Any]
) -> None:
    """Texts of every media type, one a row; a single text is one row."""
    save(make().fit(TEXTS, KINDS), model_dir)
    application = load_project()
    for name, (content_type, body) in BODIES.items():
        answer = post(application, content_type, body)
        predictions = json.loads(answer.data)
        predictions = predictions["predictions"] if name == "instances" else predictions
        assert (answer.status_code, predictions) == (200, ["gun", "pet"]), name
    assert post(application, "application/json", b'["my puppies"]').json == ["pet"]


def test_records_of_one_text(model_dir: Path, load_project: LoadProject) -> None:
    """A record of one value is that text; the model has no name for it."""
    save(MODELS["tfidf"]().fit(TEXTS, KINDS), model_dir)
    assert post(load_project(), "application/json", b'[{"text": "rifle"}]').json == ["gun"]


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("application/json", b"[1.5, 2.5]", "Row 0, counted from 0, is 1.5; the model takes text."),
        ("text/csv", b"rifle\n2020\n", "Row 1, counted from 0, is 2020.0; the model takes text."),
        (
            "application/json",
            b'[["a", "b"]]',
            "The model takes one text a row; the body holds an array of 1 x 2.",
        ),
        (
            "application/json",
            b'[{"a": "b", "c": 1}]',
            "Row 0, counted from 0, is a dict; the model takes text.",
        ),
        ("application/json", b'["a", null]', "Row 1, counted from 0, is a NoneType; the model takes text."),
    ],
)
def test_what_is_no_text_is_the_clients_fault(
    model_dir: Path, load_project: LoadProject, content_type: str, body: bytes, message: str
) -> None:
    """It is 400 with the place and what the model takes."""
    save(MODELS["tfidf"]().fit(TEXTS, KINDS), model_dir)
    answer = post(load_project(), content_type, body)
    assert (answer.status_code, json.loads(answer.data)["error"]["message"]) == (400, message)


MADE = ["d['t']", "tuple(d['t'])", "[[t] for t in d['t']]", "[{'text': t} for t in d['t']]"]


@pytest.mark.parametrize("made", [*MADE, "numpy.array(d['t'])", "pandas.Series(d['t'])"])
def test_own_input_gives_texts(model_dir: Path, load_project: LoadProject, made: str) -> None:
    """A list, a tuple, an array or a series of texts from an own input_fn reaches the model as texts."""
    handler = LOAD + f"def input_fn(body, kind):\n    d = json.loads(body)\n    return {made}\n"
    save(MODELS["tfidf"]().fit(TEXTS, KINDS), model_dir, handler)
    answer = post(load_project(), "application/json", json.dumps({"t": ASKED}).encode())
    assert (answer.status_code, answer.json) == (200, ["gun", "pet"]), answer.text


ROWS = [[1, "a", 0.5], [2, "b", None], [3, "a", 1.5], [4, "b", 2.5]]
FRAME = pd.DataFrame(ROWS, columns=["n", "kind", "x"]).fillna(0)


def mixed() -> Any:
    """Return a model of numbers and text, trained on a frame."""
    encode = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    return make_pipeline(encode, RandomForestClassifier(5, random_state=0)).fit(FRAME, ["x", "y", "x", "y"])


MIXED: dict[str, tuple[str, bytes]] = {
    "JSON": ("application/json", b'[[1, "a", 0.5], [2, "b", 0]]'),
    "records": ("application/json", b'[{"kind": "a", "n": 1, "x": 0.5}, {"n": 2, "x": 0, "kind": "b"}]'),
    "lines": ("application/jsonlines", b'{"kind": "a", "n": 1, "x": 0.5}\n{"n": 2, "x": 0, "kind": "b"}\n'),
    "CSV": ("text/csv", b"1,a,0.5\n2,b,0\n"),
    "CSV with a header": ("text/csv; header=present", b"x,kind,n\n0.5,a,1\n0,b,2\n"),
}


@pytest.mark.parametrize(("content_type", "body"), MIXED.values(), ids=MIXED)
def test_columns_of_mixed_types(
    model_dir: Path, load_project: LoadProject, content_type: str, body: bytes
) -> None:
    """Numbers stay numbers beside text, by place or by name."""
    save(mixed(), model_dir)
    answer = post(load_project(), content_type, body)
    assert (answer.status_code, answer.json) == (200, ["x", "y"]), answer.text


@pytest.mark.parametrize(
    ("made", "status"),
    [
        ("json.loads(body)", 200),
        ("[tuple(row) for row in json.loads(body)]", 200),
        ("[dict(zip(['n', 'kind', 'x'], row)) for row in json.loads(body)]", 200),
        ("pandas.DataFrame(json.loads(body), columns=['n', 'kind', 'x'])", 200),
        ("[[1, 'a'], [1]]", 400),
    ],
)
def test_own_input_gives_mixed_rows(
    model_dir: Path, load_project: LoadProject, made: str, status: int
) -> None:
    """Lists, tuples and records of an own input_fn keep each cell's type; ragged ones are refused."""
    save(mixed(), model_dir, LOAD + f"def input_fn(body, kind): return {made}\n")
    answer = post(load_project(), "application/json", b'[[1, "a", 0.5], [2, "b", 0]]')
    assert answer.status_code == status, answer.text
    assert status != 200 or answer.json == ["x", "y"]
