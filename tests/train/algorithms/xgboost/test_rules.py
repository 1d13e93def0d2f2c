"""Rules between the hyperparameters of XGBoost."""

from __future__ import annotations

import pytest

from mlberth_train.algorithms.hyperparameters import checked
from mlberth_train.algorithms.xgboost.rules import find_faults
from mlberth_train.algorithms.xgboost.table import HYPERPARAMETERS

THREE_CLASSES = {"objective": "multi:softmax", "num_class": 3}


def faults(**given: object) -> list[str]:
    """Return what is wrong with a job's hyperparameters."""
    _, found = checked(HYPERPARAMETERS, {"num_round": 1, **given}, find_faults)
    return [str(fault).removeprefix("the hyperparameter ") for fault in found]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"booster": "gblinear", "updater": "shotgun"},
        {"updater": "grow_colmaker,prune"},
        {"process_type": "update", "updater": "refresh,prune"},
        {"objective": "multi:softprob", "num_class": 3, "eval_metric": "mlogloss,auc,f1_macro"},
        {"objective": "binary:logistic", "eval_metric": "auc,error@0.3,precision", "base_score": 0.3},
        {"objective": "rank:ndcg", "eval_metric": "ndcg@10,map@5-,auc"},
        {"objective": "survival:aft", "eval_metric": "aft-nloglik"},
        {"eval_metric": "rmse,mae,mse,r2"},
        {"tree_method": "hist", "monotone_constraints": "(1,-1)", "interaction_constraints": "[[0,1]]"},
        {"_kfold": 5, "_num_cv_round": 2},
        {"tree_method": "gpu_hist", "device": "cuda"},
        {"learning_rate": 0.1, "reg_alpha": 1, "reg_lambda": 1, "min_split_loss": 1},
        {"_tuning_objective_metric": "validation:rmse"},
    ],
    ids=str,
)
def test_what_goes_together(given: dict[str, object]) -> None:
    """Nothing is wrong with it."""
    assert faults(**given) == []


@pytest.mark.parametrize(
    ("given", "beginning"),
    [
        ({"booster": "gblinear", "updater": "refresh"}, "updater: found refresh; expected shotgun or"),
        ({"process_type": "update"}, "updater: found nothing; expected refresh and prune"),
        ({"process_type": "update", "updater": "shotgun"}, "updater: found shotgun; expected refresh"),
        ({"updater": "shotgun"}, "updater: found shotgun; expected an updater of trees"),
        (
            {"updater": "grow_colmaker,grow_histmaker"},
            "updater: found grow_colmaker,grow_histmaker; expected one",
        ),
        ({"updater": "grow_skmaker"}, "updater: found grow_skmaker; expected others"),
        ({"objective": "multi:softmax"}, "num_class: found nothing; expected the number"),
        ({"num_class": 3}, "num_class: found 3; expected no number of classes"),
        ({"tree_method": "gpu_hist", "device": "cpu"}, "device: found cpu; expected cuda"),
        ({"tree_method": "exact", "device": "cuda"}, "device: found cuda; expected cpu"),
        ({"objective": "reg:quantileerror"}, "quantile_alpha: found nothing"),
        ({"objective": "binary:logistic", "base_score": 1}, "base_score: found 1.0; expected more than 0"),
        ({"booster": "gblinear", "monotone_constraints": "(1,)"}, "monotone_constraints: found a value"),
        (
            {"eval_metric": "rmse,auc"},
            "eval_metric: found auc; expected a metric that is not of classification",
        ),
        ({"eval_metric": "aft-nloglik"}, "eval_metric: found aft-nloglik"),
        ({"eval_metric": "f1"}, "eval_metric: found f1"),
        ({"eval_metric": "rms"}, "eval_metric: found 'rms'; expected one of accuracy"),
        ({"eval_metric": "rmse@3"}, "eval_metric: found 'rmse@3'"),
        ({"eval_metric": "<function f>"}, "eval_metric: found '<function f>'"),
        (
            {"objective": "multi:softmax", "num_class": 3, "eval_metric": "precision"},
            "eval_metric: found precision",
        ),
        ({"objective": "multi:softmax", "num_class": 3, "eval_metric": "r2"}, "eval_metric: found r2"),
        ({"_num_cv_round": 2}, "_num_cv_round: found 2; expected _kfold"),
        ({"use_dask_gpu_training": "true"}, "use_dask_gpu_training: found true; expected false"),
        ({"_tuning_objective_metric": "rmse"}, "_tuning_objective_metric: found 'rmse'"),
        ({"num_round": 0}, "num_round: found 0; expected a whole number in [1, inf)"),
    ],
    ids=str,
)
def test_what_does_not_go_together(given: dict[str, object], beginning: str) -> None:
    """One fault names the hyperparameter, and with which other one it does not go."""
    (found,) = faults(**given)
    assert found.startswith(beginning)
