"""The algorithms that there are, by name; a module is imported when its algorithm is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm

_ESTIMATORS = "mlberth_train.algorithms.estimators"
ALGORITHMS: dict[str, str] = {
    "linear-learner": f"{_ESTIMATORS}.linear_learner",
    "knn": f"{_ESTIMATORS}.knn",
    "kmeans": f"{_ESTIMATORS}.kmeans",
    "pca": f"{_ESTIMATORS}.pca",
    "random-cut-forest": f"{_ESTIMATORS}.random_cut_forest",
}
"""Each module has an ALGORITHM, and imports no library until it trains."""


def find_algorithm(name: str, where: str = "SAGEMAKER_ALGORITHM") -> Algorithm:
    """Return an algorithm; raises ContractError for one that there is not. `where` says who named it."""
    if name not in ALGORITHMS:
        raise ContractError(Fault(where, repr(name), f"one of {', '.join(ALGORITHMS)}"))
    return cast(Algorithm, import_module(ALGORITHMS[name]).ALGORITHM)
