"""Serve the classifier: the class whose mean is nearest."""

from pathlib import Path

import numpy as np


def model_fn(model_dir):
    """Load the means, once, before the first request."""
    return np.load(Path(model_dir) / "means.npy", allow_pickle=False)


def predict_fn(rows, means):
    """Return the class of each row."""
    return ((np.asarray(rows)[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
