"""Anomaly scores: how soon a forest of random cuts has a row alone, from 0 to 1."""

from __future__ import annotations

import numpy as np

from mlberth_serve.algorithms.answer import Columns
from mlberth_serve.algorithms.distances import parts
from mlberth_serve.algorithms.model_file import AlgorithmModel, fault
from mlberth_serve.algorithms.scorer import Scorer
from mlberth_serve.codecs.base import Array

_TABLES = 4
"""How many tables of rows and trees are there at once."""


def make_scorer(model: AlgorithmModel) -> Scorer:
    """Return the function that scores rows; raises ModelLoadError."""
    width, samples = model.whole("feature_dim"), model.whole("samples")
    roots = model.array("roots", model.whole("num_trees"))
    left = model.array("left", None)
    count = len(left)
    right, feature = model.array("right", count), model.array("feature", count)
    threshold, length = model.array("threshold", count), model.array("length", count)
    if any(array.dtype.kind not in "iu" for array in (roots, left, right, feature)):
        raise fault("nodes whose numbers are not whole")
    nodes = np.arange(count)
    # Children come after their parents: no way through a tree leads back.
    ordered = (left >= nodes).all() and (right >= nodes).all()
    within = all(_is_within(array, size) for array, size in ((left, count), (right, count), (roots, count)))
    if not (ordered and within and _is_within(feature, width)):
        raise fault("trees that lead nowhere")
    usual = float(_average_path(samples))

    def score(features: Array, verbose: bool) -> Columns:  # noqa: ARG001 - a scorer's signature
        with np.errstate(over="ignore"):
            rows = features.astype(np.float32)  # as the trees were grown
        found = [mean_length(part) for part in parts(rows, len(roots) * _TABLES)]
        return {"score": 2.0 ** -(np.concatenate(found) / usual if usual else np.ones(len(rows)))}

    def mean_length(rows: Array) -> Array:
        at = np.broadcast_to(roots, (len(rows), len(roots)))
        line = np.arange(len(rows))[:, None]
        while True:
            following = np.where(rows[line, feature[at]] <= threshold[at], left[at], right[at])
            if (following == at).all():  # a leaf's children are itself
                lengths: Array = length[at].mean(axis=1)
                return lengths
            at = following

    return score


def _is_within(array: Array, size: int) -> bool:
    return bool(len(array)) and int(array.min()) >= 0 and int(array.max()) < size


def _average_path(samples: int) -> float:
    """Return how long a path is, on average, in a tree of so many rows (Liu, Ting and Zhou, 2008)."""
    if samples <= 2:
        return float(samples - 1)
    return float(2 * (np.log(samples - 1) + np.euler_gamma) - 2 * (samples - 1) / samples)
