"""Serve the scikit-learn classifier: the label, and how sure the model is of it.

What is not written here (reading CSV and JSON, writing the answer) is the default.
"""

from pathlib import Path

import joblib
import numpy as np

NAMES = ["malignant", "benign"]


def model_fn(model_dir):
    """Load the model, once, before the first request."""
    return joblib.load(Path(model_dir) / "model.joblib")


def predict_fn(rows, model):
    """Return a label and a probability for each row."""
    probabilities = model.predict_proba(np.asarray(rows, dtype=float))
    return [[NAMES[row.argmax()], round(float(row.max()), 4)] for row in probabilities]
