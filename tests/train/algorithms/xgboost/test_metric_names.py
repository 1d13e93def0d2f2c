"""Which metrics a job of XGBoost prints, and how they are found."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mlberth_train.algorithms.xgboost.metric_names import deciding, evaluated, is_maximized, regexes


@pytest.mark.parametrize(
    ("given", "names", "decides"),
    [
        ({}, [], None),
        ({"eval_metric": ["rmse", "mae", "rmse"]}, ["rmse", "mae"], "rmse"),
        ({"_tuning_objective_metric": "validation:rmse"}, ["rmse"], "rmse"),
        (
            {"eval_metric": ["rmse"], "_tuning_objective_metric": "validation:mae"},
            ["mae", "rmse"],
            "mae",
        ),
        (
            {"eval_metric": ["tweedie-nloglik"], "tweedie_variance_power": 1.2},
            ["tweedie-nloglik"],
            "tweedie-nloglik@1.2",
        ),
    ],
    ids=str,
)
def test_what_is_evaluated(given: dict[str, Any], names: list[str], decides: str | None) -> None:
    """The tuner's objective is evaluated too, and decides on early stopping; else the last metric does."""
    assert (evaluated(given), deciding(given)) == (names, decides)


@pytest.mark.parametrize(
    ("given", "line", "found"),
    [
        (
            {},
            "[3]\ttrain-rmse:0.50000\tvalidation-rmse:0.60000",
            {"train:rmse": "0.50000", "validation:rmse": "0.60000"},
        ),
        ({"objective": "rank:ndcg"}, "[0]\ttrain-ndcg@32:0.9", {"train:ndcg": "0.9"}),
        ({"eval_metric": ["error@0.3"]}, "[0]\ttrain-error@0.3:0.1", {"train:error@0.3": "0.1"}),
        (
            {"eval_metric": ["tweedie-nloglik"]},
            "[0]\ttrain-tweedie-nloglik@1.5:2",
            {"train:tweedie-nloglik": "2"},
        ),
        ({"eval_metric": ["auc"]}, "[0]\ttrain-aucpr:0.1", {}),
    ],
    ids=str,
)
def test_how_it_is_found(given: dict[str, Any], line: str, found: dict[str, str]) -> None:
    """By the platform's names."""
    matches = {name: re.search(regex, line) for name, regex in regexes(given).items()}
    assert {name: match[1] for name, match in matches.items() if match} == found


def test_which_are_maximized() -> None:
    """Also with a threshold."""
    assert [is_maximized(name) for name in ("auc", "ndcg@5", "error@0.3", "rmse")] == [
        True,
        True,
        False,
        False,
    ]
