"""Train a scikit-learn classifier as existing SageMaker scripts do: argparse and SM_* variables."""

import argparse
import os
import shutil
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def load(channel: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and labels of one channel."""
    table = np.loadtxt(Path(channel) / "data.csv", delimiter=",")
    return table[:, 1:], table[:, 0]


parser = argparse.ArgumentParser()
parser.add_argument("-C", type=float, default=1.0)  # a name of one letter comes with one dash
parser.add_argument("--max-iter", type=int, default=100)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--training", default=os.environ["SM_CHANNEL_TRAINING"])
parser.add_argument("--validation", default=os.environ["SM_CHANNEL_VALIDATION"])
arguments = parser.parse_args()

rows, labels = load(arguments.training)
model = make_pipeline(StandardScaler(), LogisticRegression(C=arguments.C, max_iter=arguments.max_iter))
model.fit(rows, labels)
print(f"training:accuracy={model.score(rows, labels):.4f}")
print(f"validation:accuracy={model.score(*load(arguments.validation)):.4f}")

model_dir = Path(arguments.model_dir)
joblib.dump(model, model_dir / "model.joblib")
# The handler travels with the model: `serve` finds it in the model's code/ folder.
(model_dir / "code").mkdir(exist_ok=True)
shutil.copy(Path(__file__).with_name("inference.py"), model_dir / "code")
