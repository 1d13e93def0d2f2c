"""The algorithm that the name of an image stands for: such an image trains without a program."""

from __future__ import annotations

VARIABLE = "SAGEMAKER_ALGORITHM"
REPOSITORIES = {
    "kmeans": "kmeans",
    "knn": "knn",
    "linear-learner": "linear-learner",
    "pca": "pca",
    "randomcutforest": "random-cut-forest",
    "sagemaker-xgboost": "xgboost",
    "xgboost": "xgboost",
}
"""The platform's own images of algorithms, and what they are called here."""
_FLAVOURS = {"xgboost": "xgboost"}
"""Of our images, those that say it of themselves: as processes there is no image to do so."""


def algorithm_variables(*names: str) -> dict[str, str]:
    """Return the variable for the first name of an image, as given or local, that stands for an algorithm."""
    for name in names:
        repository, _, tag = name.rpartition("/")[2].partition(":")
        found = REPOSITORIES.get(repository)
        if repository.startswith("mlberth-"):
            found = _FLAVOURS.get(tag)
        if found:
            return {VARIABLE: found}
    return {}
