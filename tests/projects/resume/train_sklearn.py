"""Train with scikit-learn's partial_fit, from the newest checkpoint on."""

from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

import mlberth
import mlberth.checkpoints.sklearn

job = mlberth.environment()
rng = np.random.default_rng(7)
rows = rng.normal(size=(120, 5))
labels = rows[:, 0] * rows[:, 1] > 0


def step(model, number):
    """Learn one batch; so many steps as are printed first are done, and saved."""
    print("step", number, flush=True)
    batch = np.random.default_rng(number).integers(len(rows), size=40)
    model.partial_fit(rows[batch], labels[batch], classes=[False, True])


model = MLPClassifier(hidden_layer_sizes=(4,), random_state=1)
store = mlberth.checkpoints.store()
model = mlberth.checkpoints.sklearn.train(store, model, step, job.hyperparameters["steps"])
np.save(Path(job.model_dir) / "predictions.npy", model.predict_proba(rows))
