"""k-means: the closest center of each row, and how far it is."""

from __future__ import annotations

import numpy as np

from mlberth_serve.algorithms.answer import Columns
from mlberth_serve.algorithms.distances import squared_distances
from mlberth_serve.algorithms.model_file import AlgorithmModel, fault
from mlberth_serve.algorithms.scorer import Scorer
from mlberth_serve.codecs.base import Array


def make_scorer(model: AlgorithmModel) -> Scorer:
    """Return the function that scores rows; raises ModelLoadError."""
    centers = model.array("centers", None, model.whole("feature_dim")).astype(float)
    if not len(centers):
        raise fault("no centers")

    def score(features: Array, verbose: bool) -> Columns:  # noqa: ARG001 - a scorer's signature
        closest = squared_distances(features, centers).argmin(axis=1)
        distance = np.sqrt(((features - centers[closest]) ** 2).sum(axis=1))
        return {"closest_cluster": closest.astype(float), "distance_to_cluster": distance}

    return score
