"""Tests of the algorithms that images' names stand for."""

from __future__ import annotations

import pytest

from mlberth_local.jobs.algorithm_images import REPOSITORIES, algorithm_variables
from mlberth_train.algorithms.registry import ALGORITHMS

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("names", "algorithm"),
    [
        ((f"{ECR}/sagemaker-xgboost:1.7-1", "mlberth-train:xgboost"), "xgboost"),
        ((f"{ECR}/randomcutforest:1", "mlberth-train:sklearn"), "random-cut-forest"),
        (("mlberth-train:xgboost",), "xgboost"),
        (("registry:5000/team/mlberth-serve:xgboost",), "xgboost"),
        (("boost", "mlberth-train:xgboost"), "xgboost"),
        (("mlberth-train:sklearn",), None),
        (("me/program:xgboost",), None),
    ],
)
def test_the_algorithm_of_an_image(names: tuple[str, ...], algorithm: str | None) -> None:
    assert algorithm_variables(*names) == ({"SAGEMAKER_ALGORITHM": algorithm} if algorithm else {})


def test_every_algorithm_is_one_that_is_there() -> None:
    assert set(REPOSITORIES.values()) <= set(ALGORITHMS)
