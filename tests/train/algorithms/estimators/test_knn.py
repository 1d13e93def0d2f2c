"""knn: what a job says of its channel test against scikit-learn's own neighbors."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import normalize
from tests.train.algorithms.jobs import RECORDIO, Jobs, labelled

from mlberth.errors import ContractError

DIGITS, NUMBERS = load_digits(return_X_y=True)
DIGITS = DIGITS.astype(np.float32)
KNOWN, ASKED = slice(0, 600), slice(600, 800)


def prepare(jobs: Jobs) -> None:
    """Write the channels train and test."""
    jobs.channel("train", (DIGITS[KNOWN], NUMBERS[KNOWN]), RECORDIO)
    jobs.channel("test", labelled(DIGITS[ASKED], NUMBERS[ASKED]))


def test_classifier(jobs: Jobs) -> None:
    """The accuracy is that of KNeighborsClassifier, and the model holds the rows."""
    prepare(jobs)
    result = jobs.train("knn", feature_dim=64, k=5, predictor_type="classifier", sample_size=100_000)
    expected = KNeighborsClassifier(5).fit(DIGITS[KNOWN], NUMBERS[KNOWN])
    assert result.metric("accuracy", "test") == expected.score(DIGITS[ASKED], NUMBERS[ASKED]) > 0.9
    assert (result.arrays["features"] == DIGITS[KNOWN]).all()
    assert (result.arrays["labels"] == NUMBERS[KNOWN]).all()


def test_regressor_by_cosine(jobs: Jobs) -> None:
    """The mean square error is that of the neighbors of rows of length 1."""
    prepare(jobs)
    given: dict[str, Any] = {"predictor_type": "regressor", "index_metric": "COSINE"}
    result = jobs.train("knn", feature_dim=64, k=3, sample_size=1000, **given)
    expected = KNeighborsRegressor(3).fit(normalize(DIGITS[KNOWN]), NUMBERS[KNOWN])
    error = expected.predict(normalize(DIGITS[ASKED])) - NUMBERS[ASKED]
    assert result.metric("mse", "test") == pytest.approx(np.mean(error**2))


def test_the_largest_inner_product(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """The closest rows are those of the largest product; another kind of index is exact too, and said so."""
    prepare(jobs)
    given: dict[str, Any] = {"index_metric": "INNER_PRODUCT", "index_type": "faiss.IVFFlat"}
    with caplog.at_level(logging.INFO):
        result = jobs.train(
            "knn", feature_dim=64, k=1, predictor_type="classifier", sample_size=1000, **given
        )
    closest = NUMBERS[KNOWN][(DIGITS[ASKED] @ DIGITS[KNOWN].T).argmax(axis=1)]
    assert result.metric("accuracy", "test") == np.mean(closest == NUMBERS[ASKED])
    assert "index_type=faiss.IVFFlat: the search is exact here" in caplog.text


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_fewer_dimensions(jobs: Jobs, kind: str) -> None:
    """Rows are projected so that distances stay, and neighbors with them."""
    prepare(jobs)
    given: dict[str, Any] = {"dimension_reduction_type": kind, "dimension_reduction_target": 32}
    result = jobs.train("knn", feature_dim=64, k=5, predictor_type="classifier", sample_size=1000, **given)
    assert result.arrays["projection"].shape == (64, 32)
    assert result.arrays["features"] == pytest.approx(DIGITS[KNOWN] @ result.arrays["projection"])
    lengths = np.linalg.norm(result.arrays["features"], axis=1) / np.linalg.norm(DIGITS[KNOWN], axis=1)
    assert lengths.mean() == pytest.approx(1, abs=0.3)
    assert result.metric("accuracy", "test") > 0.85
    if kind == "sign":
        assert len(np.unique(np.abs(result.arrays["projection"]))) == 1


def test_a_sample(jobs: Jobs) -> None:
    """So many rows are drawn as sample_size says, each with its own label."""
    prepare(jobs)
    result = jobs.train("knn", feature_dim=64, k=5, predictor_type="classifier", sample_size=300)
    rows = {row.tobytes(): label for row, label in zip(DIGITS[KNOWN], NUMBERS[KNOWN], strict=True)}
    assert len(result.arrays["labels"]) == 300
    assert [rows[row.tobytes()] for row in result.arrays["features"]] == result.arrays["labels"].tolist()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": 300}, "k: found 300; expected at most the 200 rows that are kept. Raise sample_size"),
        ({"dimension_reduction_type": "sign"}, "dimension_reduction_target: found nothing"),
        ({"dimension_reduction_target": 3}, "dimension_reduction_type: found nothing"),
        (
            {"dimension_reduction_type": "sign", "dimension_reduction_target": 64},
            "found 64; expected less than the feature_dim of 64",
        ),
        ({"index_type": "faiss.IVFPQ", "index_metric": "COSINE"}, "index_metric: found COSINE; expected L2"),
        ({"predictor_type": "both"}, "predictor_type: found 'both'; expected one of classifier, regressor"),
    ],
)
def test_hyperparameters_that_do_not_fit(jobs: Jobs, given: dict[str, object], message: str) -> None:
    """Each is named with its value and what was expected, those that do not go together as well."""
    prepare(jobs)
    with pytest.raises(ContractError, match=message):
        jobs.train(
            "knn", **{"feature_dim": 64, "k": 5, "predictor_type": "classifier", "sample_size": 200, **given}
        )
