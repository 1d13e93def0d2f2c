"""The algorithms that there are, by name; a module is imported when its algorithm is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import cast

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm

_ESTIMATORS = "mlberth_train.algorithms.estimators"
ALGORITHMS: dict[str, str] = {
    "xgboost": "mlberth_train.algorithms.xgboost.algorithm",
    "linear-learner": f"{_ESTIMATORS}.linear_learner",
    "knn": f"{_ESTIMATORS}.knn",
    "kmeans": f"{_ESTIMATORS}.kmeans",
    "pca": f"{_ESTIMATORS}.pca",
    "random-cut-forest": f"{_ESTIMATORS}.random_cut_forest",
}
"""Each module has an ALGORITHM, and imports no library until it trains."""

_LEFT_OUT = {
    "factorization-machines": "scikit-learn has no factorization machines, and no library with them has been "
    "kept for long: train them by a program of your own.",
}
"""Algorithms of the platform's that are asked for, and why they are not here."""


def find_algorithm(name: str, where: str = "SAGEMAKER_ALGORITHM") -> Algorithm:
    """Return an algorithm; raises ContractError for one that there is not. `where` says who named it."""
    if name not in ALGORITHMS:
        near = get_close_matches(name, ALGORITHMS, n=1)
        action = _LEFT_OUT.get(name) or (f"Did you mean {near[0]}?" if near else "")
        raise ContractError(Fault(where, repr(name), f"one of {', '.join(ALGORITHMS)}", action))
    return cast(Algorithm, import_module(ALGORITHMS[name]).ALGORITHM)
