"""One booster: trained from its last checkpoint on, with everything that a job asks for."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mlberth.checkpoints import StopRequest, Store
from mlberth.contract.environment import Environment
from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.xgboost.cluster import Cluster
from mlberth_train.algorithms.xgboost.metric_names import CUSTOM, deciding, evaluated, is_maximized, printed
from mlberth_train.algorithms.xgboost.table import WITHOUT_EFFECT

_OURS = (
    "num_round",
    "early_stopping_rounds",
    "eval_metric",
    "csv_weights",
    "save_model_on_termination",
    "_kfold",
    "_num_cv_round",
    "_tuning_objective_metric",
    "use_dask_gpu_training",
)
_KEPT = 5
"""How many checkpoints stay, as in sagemaker-xgboost-container."""
_SAVES, _LEAST = 20, 10
"""After a save XGBoost predicts all anew, so a job has about 20 of them, 10 rounds apart at least."""

log = logging.getLogger(__name__)


class Plan(NamedTuple):
    """How a job's boosters are trained."""

    hyperparameters: Mapping[str, Any]
    parameters: Mapping[str, Any]
    """XGBoost's own."""
    cluster: Cluster
    stop: StopRequest
    checkpoints: Path | None
    """Where they are, if the job has any."""
    beginning: bytes | None
    """The model that training goes on from."""

    @property
    def objective(self) -> str:
        """What is learned."""
        return str(self.parameters.get("objective", "reg:squarederror"))


def parameters_of(hyperparameters: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """Return XGBoost's parameters; raises ContractError for a GPU that is not there."""
    left_out = {*_OURS, *WITHOUT_EFFECT}
    parameters = {name: value for name, value in hyperparameters.items() if name not in left_out}
    if ignored := [name for name in WITHOUT_EFFECT if name in hyperparameters]:
        log.warning("Without effect in this version of XGBoost: %s", ", ".join(ignored))
    parameters.setdefault("nthread", environment.num_cpus)
    if parameters.get("objective") == "reg:linear":
        parameters["objective"] = "reg:squarederror"
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if "interaction_constraints" in parameters:  # XGBoost takes numbers in a list for names of columns
        parameters["interaction_constraints"] = json.dumps(parameters["interaction_constraints"])
    if parameters.get("tree_method") == "gpu_hist":
        _check_gpu(environment, "tree_method", "gpu_hist", "hist")
        parameters |= {"tree_method": "hist", "device": "cuda"}
    elif parameters.get("device") == "cuda":
        _check_gpu(environment, "device", "cuda", "cpu")
    if own := [name for name in evaluated(hyperparameters) if name not in CUSTOM]:
        parameters["eval_metric"] = [printed(name, hyperparameters) for name in own]
    return parameters


def _check_gpu(environment: Environment, name: str, value: str, without: str) -> None:
    import xgboost

    where, expected = f"the hyperparameter {name}", f"{without}, or a GPU and an XGBoost for it"
    if not environment.num_gpus:
        raise ContractError(Fault(where, f"{value}, and no GPU", expected))
    if not xgboost.build_info().get("USE_CUDA"):
        found = f"{value}, and an XGBoost for CPUs alone (the package xgboost-cpu)"
        raise ContractError(Fault(where, found, expected, "Install the package xgboost in its place."))


def boost(plan: Plan, train: Any, validation: Any = None, *, fold: int | None = None) -> tuple[Any, Any]:
    """Return a booster, and how it was evaluated; with a fold the one of cross-validation."""
    import xgboost

    hyperparameters = plan.hyperparameters
    updates = hyperparameters.get("process_type") == "update"
    store = None
    if plan.checkpoints and not updates:  # half of the trees would be neither old nor new
        folder = plan.checkpoints if fold is None else plan.checkpoints / f"model-{fold}"
        store = Store(folder, _KEPT)
    model, begun = _beginning(plan, store)
    done = 0 if model is None else model.num_boosted_rounds()
    rounds = hyperparameters["num_round"] + (0 if updates else begun - done)
    evals = [(train, "train"), *([(validation, "validation")] if validation is not None else [])]
    results: dict[str, Any] = {}
    booster = xgboost.train(
        dict(plan.parameters),
        train,
        max(0, rounds),
        evals=evals,
        evals_result=results,
        custom_metric=_custom(plan),
        callbacks=_callbacks(plan, store, 0 if updates else done, validates=validation is not None),
        xgb_model=model,
        verbose_eval=False,
    )
    return booster, results


def _beginning(plan: Plan, store: Store | None) -> tuple[Any, int]:
    """Return the model that training goes on from, and how many rounds the job began with."""
    import xgboost

    begun = 0
    if plan.beginning is not None:
        begun = xgboost.Booster(model_file=bytearray(plan.beginning)).num_boosted_rounds()
    raw = plan.beginning
    if store:
        from mlberth.checkpoints.xgboost import latest_here

        # The leader alone saves, and all begin alike.
        found = latest_here(store) if plan.cluster.is_leader else None
        saved = plan.cluster.gather(None if found is None else bytes(found.save_raw("ubj")))[0]
        raw = saved if saved is not None else raw
    model = None if raw is None else xgboost.Booster(model_file=bytearray(raw))
    if store and model is not None and raw is not plan.beginning:
        log.info("Resuming from round %d, saved in %s", model.num_boosted_rounds(), store.directory)
    return model, begun


def _custom(plan: Plan) -> Any:
    names = [name for name in evaluated(plan.hyperparameters) if name in CUSTOM]
    if not names:
        return None
    from mlberth_train.algorithms.xgboost.metrics import custom_metric

    classes = plan.hyperparameters.get("num_class", 2)
    return custom_metric(names, plan.objective, classes, plan.cluster.add)


def _callbacks(plan: Plan, store: Store | None, done: int, *, validates: bool) -> list[Any]:
    """Return the callbacks in their order: XGBoost asks none after the first that ends training."""
    from mlberth.checkpoints.xgboost import SaveRounds
    from mlberth_train.algorithms.xgboost.callbacks import EvaluationLines, Patience, StopOnRequest

    hyperparameters = plan.hyperparameters
    callbacks: list[Any] = [EvaluationLines(done)]
    if hyperparameters["save_model_on_termination"] == "true":
        callbacks.append(StopOnRequest(plan.stop, plan.cluster))
    patience = hyperparameters.get("early_stopping_rounds")
    if patience and validates:
        metric = deciding(hyperparameters)
        maximize = None if metric is None else is_maximized(metric)
        has_trees = hyperparameters.get("booster") != "gblinear"
        callbacks.append(Patience(patience, metric, maximize=maximize, keep_best=has_trees))
    elif patience and done == 0:
        log.warning("early_stopping_rounds has no effect without the channel validation")
    if store:
        every = max(_LEAST, hyperparameters["num_round"] // _SAVES)
        callbacks.append(SaveRounds(store if plan.cluster.is_leader else None, every))
    return callbacks
