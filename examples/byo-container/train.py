"""Train a classifier and serve it, both from this file: `train` runs it, `serve` imports it."""

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

NAMES = ["setosa", "versicolor", "virginica"]


def main():
    """Fit the classifier on the channel `training`, which has the label first."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=50)
    arguments = parser.parse_args()

    table = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAINING"]) / "iris.csv", delimiter=",")
    rows, labels = table[:, 1:], table[:, 0].astype(int)
    model = RandomForestClassifier(arguments.trees, oob_score=True, random_state=0).fit(rows, labels)
    print(f"validation:accuracy={model.oob_score_:.4f}")
    joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")


def model_fn(model_dir):
    """Load the model, once, before the first request."""
    return joblib.load(Path(model_dir) / "model.joblib")


def predict_fn(rows, model):
    """Return the name of each flower."""
    return [NAMES[label] for label in model.predict(rows)]


if __name__ == "__main__":
    main()
