"""Train with XGBoost, rows and columns sampled, from the newest checkpoint on."""

from pathlib import Path

import numpy as np
import xgboost

import mlberth
import mlberth.checkpoints.xgboost


class Progress(xgboost.callback.TrainingCallback):
    """Print how many rounds are done, and saved."""

    def before_iteration(self, model, epoch, evals_log):
        """Print it."""
        print("step", model.num_boosted_rounds(), flush=True)
        return False


job = mlberth.environment()
rng = np.random.default_rng(7)
rows = rng.normal(size=(120, 5))
data = xgboost.DMatrix(rows, label=rows[:, 0] * rows[:, 1] > 0)
booster = mlberth.checkpoints.xgboost.train(
    mlberth.checkpoints.store(),
    {"objective": "binary:logistic", "nthread": 1, "max_depth": 2, "subsample": 0.5, "colsample_bynode": 0.5},
    data,
    job.hyperparameters["steps"],
    every=1,
    callbacks=[Progress()],
)
np.save(Path(job.model_dir) / "predictions.npy", booster.predict(data))
