"""Serve the linear classifier."""

from pathlib import Path

import numpy as np


def model_fn(model_dir):
    """Load the weights."""
    return np.load(Path(model_dir) / "weights.npy", allow_pickle=False)


def predict_fn(rows, weights):
    """Return the class of each row."""
    return (np.c_[rows, np.ones(len(rows))] @ weights).argmax(axis=1)
