"""kmeans: the centers of a job against scikit-learn's own."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from tests.train.algorithms.jobs import RECORDIO, Jobs, labelled

from mlberth.errors import ContractError

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)
BEST = KMeans(3, n_init=10, random_state=0).fit(IRIS).inertia_ / len(IRIS)


def test_centers_are_as_good_as_those_of_all_rows(jobs: Jobs) -> None:
    """The mean of squared distances is within 2 % of Lloyd's method on all rows; `test` says it again."""
    jobs.channel("train", IRIS, "text/csv;label_size=0").channel("test", labelled(IRIS, SPECIES))
    result = jobs.train("kmeans", k=3, feature_dim=4, eval_metrics='["msd", "ssd"]')
    assert result.arrays["centers"].shape == (3, 4)
    distances = np.linalg.norm(IRIS[:, None] - result.arrays["centers"], axis=2).min(axis=1) ** 2
    assert result.metric("msd") == pytest.approx(distances.mean())
    assert result.metric("msd", "test") == pytest.approx(distances.mean())
    assert result.metric("ssd", "test") == pytest.approx(distances.sum())
    assert result.metric("msd") < 1.02 * BEST


def test_every_hyperparameter_of_the_method(jobs: Jobs) -> None:
    """Without extra centers mini-batches alone move them; the platform's word for k-means++ is understood."""
    jobs.channel("train", (IRIS, None), RECORDIO)
    given = {"init_method": "kmeans++", "extra_center_factor": 1, "epochs": 5, "mini_batch_size": 30}
    result = jobs.train("kmeans", k=3, feature_dim=4, **given)
    assert result.metric("msd") < 1.1 * BEST
    assert result.out.count("#progress_metric") == 5
    again = jobs.train("kmeans", k=3, feature_dim=4, **given)
    assert (again.arrays["centers"] == result.arrays["centers"]).all()
    local = {"local_lloyd_init_method": "random", "local_lloyd_num_trials": 20, "local_lloyd_max_iter": 50}
    assert jobs.train("kmeans", k=3, feature_dim=4, local_lloyd_tol=0, **local).metric("msd") < 1.1 * BEST


def test_what_the_sdk_sends_besides_is_told(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """Hyperparameters without effect are accepted, and one line of the log names them."""
    jobs.channel("train", IRIS, "text/csv;label_size=0")
    with caplog.at_level(logging.INFO):
        jobs.train("kmeans", k=2, feature_dim=4, force_dense="True", half_life_time_size=10)
    [line] = [record.getMessage() for record in caplog.records if "without effect" in record.getMessage()]
    assert "force_dense" in line
    assert "half_life_time_size" in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k": 151}, "k: found 151; expected at most the 150 rows of the channel train"),
        ({"k": 10, "extra_center_factor": 16}, "found 16, so 160 centers"),
        ({"k": 0}, r"k: found 0; expected a whole number in \[1, inf\)"),
        ({"k": 3, "init_method": "middle"}, "init_method: found 'middle'; expected one of random, kmeans"),
        ({"k": 3, "kk": 3}, "kk: found a value"),
        ({}, "k: found nothing; expected a whole number"),
        ({"k": 3, "eval_metrics": "mse"}, "eval_metrics: found 'mse'"),
    ],
)
def test_hyperparameters_that_do_not_fit(jobs: Jobs, given: dict[str, object], message: str) -> None:
    """Each is named with its value and what was expected."""
    jobs.channel("train", IRIS, "text/csv;label_size=0")
    with pytest.raises(ContractError, match=message):
        jobs.train("kmeans", feature_dim=4, **given)
