"""The breast-cancer data (569 tumours, 30 measurements each) as the CSV channels of a training job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split


def write_channels(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the two channels below the folder `data`; return the validation rows and labels.

    As in the platform's built-in algorithms, the label is the first column and there is no header.
    """
    rows, labels = load_breast_cancer(return_X_y=True)
    split = train_test_split(rows, labels, test_size=0.25, random_state=0, stratify=labels)
    for channel, features, targets in (("training", split[0], split[2]), ("validation", split[1], split[3])):
        folder = data / channel
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / "data.csv", np.column_stack([targets, features]), delimiter=",", fmt="%.10g")
    return split[1], split[3]
