"""k nearest neighbors: the label that the closest rows have, or their mean."""

from __future__ import annotations

import numpy as np

from mlberth_serve.algorithms.answer import Columns
from mlberth_serve.algorithms.distances import parts, squared_distances
from mlberth_serve.algorithms.model_file import AlgorithmModel, fault
from mlberth_serve.algorithms.scorer import Scorer
from mlberth_serve.codecs.base import Array

_CLASSIFIER, _REGRESSOR = "classifier", "regressor"
_L2, _INNER, _COSINE = "L2", "INNER_PRODUCT", "COSINE"


def make_scorer(model: AlgorithmModel) -> Scorer:
    """Return the function that scores rows; raises ModelLoadError."""
    width, k = model.whole("feature_dim"), model.whole("k")
    kind = model.word("predictor_type", _CLASSIFIER, _REGRESSOR)
    metric = model.word("index_metric", _L2, _INNER, _COSINE)
    projection = None
    if "projection" in model.arrays:
        projection = model.array("projection", width, None)
        width = projection.shape[1]
    points = model.array("features", None, width).astype(float)
    labels = model.array("labels", len(points)).astype(float)
    if k > len(points):
        raise fault(f"k {k} of {len(points)} rows")
    points = _unit(points) if metric == _COSINE else points
    answer = _vote if kind == _CLASSIFIER else _mean

    def score(features: Array, verbose: bool) -> Columns:
        rows = features if projection is None else (features.astype(np.float32) @ projection).astype(float)
        rows = _unit(rows) if metric == _COSINE else rows
        found = [_nearest(part, points, k, metric) for part in parts(rows, len(points))]
        near, far = (np.concatenate(each) for each in zip(*found, strict=True))
        columns = {"predicted_label": answer(labels[near])}
        return {**columns, "distances": far, "labels": labels[near]} if verbose else columns

    return score


def _nearest(rows: Array, points: Array, k: int, metric: str) -> tuple[Array, Array]:
    """Return which points are the closest and how far they are, the closest first; products for a product."""
    table = squared_distances(rows, points) if metric == _L2 else -(rows @ points.T)
    near = np.argpartition(table, k - 1, axis=1)[:, :k] if k < len(points) else np.argsort(table, axis=1)
    near.sort(axis=1)  # of points that are as far, the first in the data comes first
    if metric == _L2:
        # Once more, exactly: the table loses digits if rows are far from 0.
        far = np.sqrt(((rows[:, None, :] - points[near]) ** 2).sum(axis=2))
    else:
        far = np.take_along_axis(table, near, axis=1)
    order = np.argsort(far, axis=1, kind="stable")
    far = np.take_along_axis(far, order, axis=1)
    return np.take_along_axis(near, order, axis=1), far if metric == _L2 else -far


def _vote(labels: Array) -> Array:
    """Return the label that most of a row's have, the least among equals."""
    known, places = np.unique(labels, return_inverse=True)
    places = places.reshape(labels.shape)
    rows = np.arange(len(labels))[:, None]
    counts = np.bincount((rows * len(known) + places).ravel(), minlength=len(labels) * len(known))
    winners: Array = known[counts.reshape(len(labels), -1).argmax(axis=1)]
    return winners


def _mean(labels: Array) -> Array:
    means: Array = labels.mean(axis=1)
    return means


def _unit(rows: Array) -> Array:
    """Return rows of length 1; one of zeros stays as it is."""
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return rows / np.where(lengths > 0, lengths, 1.0)
