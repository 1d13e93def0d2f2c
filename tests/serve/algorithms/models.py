"""Models of algorithms, as `train` writes them, without a job around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlberth_train.algorithms.estimators.model_file import write_model


def write_linear(folder: Path, kind: str = "regressor", **description: Any) -> tuple[Any, Any]:
    """Write a linear model of four features; return its weights and bias."""
    outputs = 3 if kind == "multiclass_classifier" else 1
    weights = np.arange(1.0, 4 * outputs + 1).reshape(outputs, 4) / 10 * (-1) ** np.arange(outputs)[:, None]
    bias = np.arange(outputs) - 0.5
    given = {"feature_dim": 4, "predictor_type": kind, "loss": "squared_loss", **description}
    write_model(folder, "linear-learner", given, weights=weights, bias=bias)
    return weights, bias


def write_knn(folder: Path, features: Any, labels: Any, projection: Any = None, **description: Any) -> None:
    """Write a model of neighbors."""
    features = np.asarray(features, np.float32)
    width = features.shape[1] if projection is None else len(projection)
    given = {
        "k": 3,
        "predictor_type": "classifier",
        "index_metric": "L2",
        "feature_dim": width,
        **description,
    }
    arrays = {"features": features, "labels": np.asarray(labels, np.float32)}
    if projection is not None:
        arrays["projection"] = np.asarray(projection, np.float32)
    write_model(folder, "knn", given, **arrays)
