"""XGBoost as an algorithm."""

from __future__ import annotations

from mlberth_train.algorithms.algorithm import Algorithm, AlgorithmJob
from mlberth_train.algorithms.xgboost.channel_table import BEGINNING, TRAIN, VALIDATION
from mlberth_train.algorithms.xgboost.metric_names import regexes
from mlberth_train.algorithms.xgboost.rules import find_faults
from mlberth_train.algorithms.xgboost.table import HYPERPARAMETERS


def _train(job: AlgorithmJob) -> None:
    from mlberth_train.algorithms.xgboost.training import train

    train(job)


ALGORITHM = Algorithm(
    "xgboost",
    help="Gradient boosting, with XGBoost: regression, classification, ranking and survival.",
    hyperparameters=HYPERPARAMETERS,
    channels=(TRAIN, VALIDATION, BEGINNING),
    train=_train,
    rules=find_faults,
    needs={"xgboost": 'XGBoost (pip install "mlberth[xgboost]", or the image mlberth-train:xgboost)'},
    metrics=regexes,
    launcher="xgboost",
)
