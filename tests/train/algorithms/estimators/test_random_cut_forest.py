"""random-cut-forest: the anomalies that a job finds against those of scikit-learn's forest."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import IsolationForest
from sklearn.metrics import f1_score
from tests.train.algorithms.jobs import Jobs, labelled

from mlberth.errors import ContractError

CELLS, BENIGN = load_breast_cancer(return_X_y=True)
USUAL, MALIGNANT = CELLS[BENIGN == 1], CELLS[BENIGN == 0][:12]
ROWS = np.vstack([USUAL, MALIGNANT]).astype(np.float32)
LABELS = np.repeat([0, 1], [len(USUAL), len(MALIGNANT)])


def test_anomalies_are_those_of_scikit_learn(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """Scores beyond three standard deviations are anomalies; the log says which kind of forest it is."""
    jobs.channel("train", ROWS, "text/csv;label_size=0")
    jobs.channel("test", labelled(ROWS, LABELS), "text/csv;label_size=1")
    with caplog.at_level(logging.INFO):
        result = jobs.train("random-cut-forest", feature_dim=30, num_trees=50, num_samples_per_tree=128)
    assert "is an isolation forest here" in caplog.text
    scores = -IsolationForest(n_estimators=50, max_samples=128, random_state=0).fit(ROWS).score_samples(ROWS)
    found = scores > scores.mean() + 3 * scores.std()
    assert 0 < found.sum() < len(found)
    assert result.metric("accuracy", "test") == pytest.approx((found == LABELS).mean())
    assert result.metric("f1", "test") == pytest.approx(f1_score(LABELS, found))
    assert result.description == {
        "algorithm": "random-cut-forest",
        "version": 1,
        "feature_dim": 30,
        "num_trees": 50,
        "samples": 128,
    }


def test_only_the_metrics_that_are_wanted(jobs: Jobs) -> None:
    """eval_metrics chooses; a tree of more rows than there are has them all."""
    jobs.channel("train", ROWS[:40], "text/csv;label_size=0").channel("test", labelled(ROWS, LABELS))
    given = {"num_trees": 50, "num_samples_per_tree": 2048, "eval_metrics": "accuracy"}
    result = jobs.train("random-cut-forest", feature_dim=30, **given)
    assert "test accuracy" in result.out
    assert "f1" not in result.out
    assert result.description["samples"] == 40


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("num_trees", 49, r"\[50, 1000\]"),
        ("num_samples_per_tree", 2049, r"\[1, 2048\]"),
        ("feature_dim", 10001, r"\[1, 10000\]"),
    ],
)
def test_the_limits_of_the_platform(jobs: Jobs, name: str, value: int, limits: str) -> None:
    """A value beyond the platform's range is named with the range."""
    jobs.channel("train", ROWS, "text/csv;label_size=0")
    with pytest.raises(ContractError, match=f"{name}: found {value}; expected a whole number in {limits}"):
        jobs.train("random-cut-forest", **{"feature_dim": 30, name: value})


def test_labels_that_are_none(jobs: Jobs) -> None:
    """A label of the channel test is 0 or 1."""
    jobs.channel("train", ROWS, "text/csv;label_size=0").channel("test", labelled(ROWS, LABELS * 2))
    with pytest.raises(
        ContractError, match=r"test, label of row 358: found 2; expected a whole number from 0 to 1"
    ):
        jobs.train("random-cut-forest", feature_dim=30, num_trees=50)
