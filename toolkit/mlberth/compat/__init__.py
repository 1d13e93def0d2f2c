"""Compatibility packages: what programs written for other containers import, under the same names.

They hold what programs import, not what those servers are made of. They run in the user's program and in
workers; numpy, scipy and xgboost are imported when a function needs them. May import the
root, `contract` and `code`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder

PACKAGES = (
    "mms",
    "sagemaker_algorithm_toolkit",
    "sagemaker_containers",
    "sagemaker_inference",
    "sagemaker_training",
    "sagemaker_xgboost_container",
)


# Each folder here holds one package of that name, and is on no path by itself. A process that runs a user's
# program gets those that are not installed at the end of its path, so that an installed one always wins.
def missing_packages_path(find_spec: Callable[[str], object] = PathFinder.find_spec) -> list[str]:
    """Return the folders of the compatibility packages whose names `find_spec` does not find."""
    here = __file__.rpartition("/")[0]
    return [f"{here}/{name}" for name in PACKAGES if find_spec(name) is None]
