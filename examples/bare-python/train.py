"""Train the simplest classifier: the mean of each class. Nothing is needed but numpy."""

import os
from pathlib import Path

import numpy as np

table = np.loadtxt(Path(os.environ["SM_CHANNEL_TRAINING"]) / "iris.csv", delimiter=",")
labels, rows = table[:, 0], table[:, 1:]
means = np.array([rows[labels == label].mean(axis=0) for label in range(3)])
nearest = ((rows[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
print(f"training:accuracy={(nearest == labels).mean():.4f}")
np.save(Path(os.environ["SM_MODEL_DIR"]) / "means.npy", means)
