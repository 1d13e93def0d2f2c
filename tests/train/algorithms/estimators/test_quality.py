"""The metrics that algorithms print, found by the platform's own regular expressions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer
from tests.train.algorithms.jobs import Jobs, labelled

from mlberth_train.algorithms.registry import find_algorithm

CELLS, BENIGN = load_breast_cancer(return_X_y=True)
WIDTH = {"feature_dim": 30}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "binary": ("linear-learner", {"predictor_type": "binary_classifier"}),
    "classes": ("linear-learner", {"predictor_type": "multiclass_classifier", "num_classes": 3}),
    "regressor": ("linear-learner", {"predictor_type": "regressor"}),
    "neighbors": ("knn", {**WIDTH, "predictor_type": "classifier", "k": 3, "sample_size": 300}),
    "means": ("knn", {**WIDTH, "predictor_type": "regressor", "k": 3, "sample_size": 300}),
    "kmeans": ("kmeans", {**WIDTH, "k": 2, "eval_metrics": "msd,ssd"}),
    "pca": ("pca", {**WIDTH, "num_components": 2}),
    "forest": ("random-cut-forest", {**WIDTH, "num_trees": 50}),
}
# As DescribeTrainingJob shows them for the platform's own algorithms.
PLATFORM = {
    "binary": {
        "train:objective_loss": r"#quality_metric: host=\S+, epoch=\S+, train \S+_objective <loss>=(\S+)",
        "validation:binary_f_beta": r"#quality_metric: host=\S+, validation binary_f_\S+ <score>=(\S+)",
        "test:recall": r"#quality_metric: host=\S+, test recall <score>=(\S+)",
        "test:objective_loss": r"#quality_metric: host=\S+, test \S+_objective <loss>=(\S+)",
    },
    "classes": {
        "test:multiclass_top_k_accuracy": r"#quality_metric: host=\S+, test multiclass_top_k_accuracy_\S+ "
        r"<score>=(\S+)",
        "validation:macro_f_beta": r"#quality_metric: host=\S+, validation macro_f_\S+ <score>=(\S+)",
        "test:dcg": r"#quality_metric: host=\S+, test dcg <score>=(\S+)",
    },
    "regressor": {"validation:mse": r"#quality_metric: host=\S+, validation mse <loss>=(\S+)"},
}
PROGRESS = re.compile(r"#progress_metric: host=\S+, completed (\S+) %")


@pytest.mark.parametrize("case", JOBS)
def test_every_metric_is_found(jobs: Jobs, case: str) -> None:
    """Each regular expression of an algorithm finds a number in the output of such a job."""
    name, given = JOBS[case]
    for channel in ("train", "test", *(("validation",) if name == "linear-learner" else ())):
        jobs.channel(channel, labelled(CELLS, BENIGN), "text/csv;label_size=1")
    out = jobs.train(name, **given).out
    found = find_algorithm(name).metrics(given)
    assert found.keys() >= PLATFORM.get(case, {}).keys()
    assert {key: found[key] for key in PLATFORM.get(case, {})} == PLATFORM.get(case, {})
    for key, regex in found.items():
        numbers = re.findall(regex, out)
        assert numbers, key
        assert all(float(number) >= 0 for number in numbers)
    if name in ("linear-learner", "kmeans"):
        assert PROGRESS.findall(out)[0]
