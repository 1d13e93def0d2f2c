"""pca: the components of a job against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from tests.train.algorithms.jobs import Jobs, labelled

from mlberth.errors import ContractError

WINE, KIND = load_wine(return_X_y=True)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_components_are_those_of_scikit_learn(jobs: Jobs, mode: str) -> None:
    """Mean, singular values and components are the same; the first component stands last."""
    jobs.channel("train", WINE, "text/csv;label_size=0").channel("test", labelled(WINE[:50], KIND[:50]))
    result = jobs.train("pca", feature_dim=13, num_components=3, algorithm_mode=mode, mini_batch_size=50)
    expected = PCA(3).fit(WINE.astype(np.float32).astype(float))
    assert result.arrays["mean"] == pytest.approx(expected.mean_)
    assert result.arrays["s"] == pytest.approx(expected.singular_values_[::-1], rel=1e-6)
    assert abs(result.arrays["v"].T @ expected.components_[::-1].T) == pytest.approx(np.eye(3), abs=1e-5)
    back = expected.inverse_transform(expected.transform(WINE))
    assert result.metric("mse") == pytest.approx(np.mean((back - WINE) ** 2), rel=1e-4)
    assert result.metric("mse", "test") == pytest.approx(np.mean((back - WINE)[:50] ** 2), rel=1e-4)


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_without_the_mean(jobs: Jobs, mode: str) -> None:
    """With subtract_mean=False, components are those of the rows as they are."""
    jobs.channel("train", WINE, "text/csv;label_size=0")
    given = {"subtract_mean": "False", "algorithm_mode": mode}
    result = jobs.train("pca", feature_dim=13, num_components=2, **given)
    _, values, components = np.linalg.svd(WINE, full_matrices=False)
    assert not result.arrays["mean"].any()
    assert result.arrays["s"] == pytest.approx(values[:2][::-1], rel=1e-5)
    assert abs(result.arrays["v"].T @ components[:2][::-1].T) == pytest.approx(np.eye(2), abs=1e-4)


def test_more_components_than_there_can_be(jobs: Jobs) -> None:
    """There are no more than features, and no more than rows."""
    jobs.channel("train", WINE[:4], "text/csv;label_size=0")
    with pytest.raises(
        ContractError, match="num_components: found 14; expected at most the feature_dim of 13"
    ):
        jobs.train("pca", feature_dim=13, num_components=14)
    with pytest.raises(ContractError, match="num_components: found 5; expected at most the 4 rows"):
        jobs.train("pca", feature_dim=13, num_components=5)
