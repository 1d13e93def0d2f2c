"""Fit a classifier on the channel `training` (label first) and save it, and nothing else."""

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--strength", type=float, required=True)
arguments, _ = parser.parse_known_args()
table = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAINING"]) / "data.csv", delimiter=",")
model = LogisticRegression(C=arguments.strength).fit(table[:, 1:], table[:, 0])
joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")
print(f"trained with strength {arguments.strength}")
