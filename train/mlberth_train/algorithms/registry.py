"""The algorithms that there are, by name; a module is imported when its algorithm is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import Algorithm

ALGORITHMS: dict[str, str] = {}
"""Each module has an ALGORITHM, and imports no library until it trains."""


def find_algorithm(name: str, where: str = "SAGEMAKER_ALGORITHM") -> Algorithm:
    """Return an algorithm; raises ContractError for one that there is not. `where` says who named it."""
    if name not in ALGORITHMS:
        raise ContractError(Fault(where, repr(name), f"one of {', '.join(ALGORITHMS)}"))
    return cast(Algorithm, import_module(ALGORITHMS[name]).ALGORITHM)
