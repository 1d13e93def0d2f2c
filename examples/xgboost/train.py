"""Train an XGBoost classifier with mlberth's own interface: no argparse, typed hyperparameters."""

from pathlib import Path

import numpy as np
import xgboost

import mlberth

job = mlberth.environment()


def load(channel: str) -> xgboost.DMatrix:
    """Return one channel as XGBoost wants it."""
    table = np.loadtxt(Path(job.channel_dirs[channel]) / "data.csv", delimiter=",")
    return xgboost.DMatrix(table[:, 1:], label=table[:, 0])


parameters = dict(job.hyperparameters)
rounds = parameters.pop("num_round")
training, validation = load("training"), load("validation")
booster = xgboost.train(
    parameters,
    training,
    num_boost_round=rounds,
    evals=[(training, "training"), (validation, "validation")],
    verbose_eval=10,
)
right = (booster.predict(validation) > 0.5) == validation.get_label()
print(f"validation:accuracy={right.mean():.4f}")

# A model file is all that serving needs: no handler is written for this example.
booster.save_model(Path(job.model_dir) / "model.ubj")
