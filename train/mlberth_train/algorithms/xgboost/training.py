"""A job of XGBoost, from its channels to the files of its model."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlberth.channels.files import list_files
from mlberth.checkpoints import StopRequest
from mlberth.code.archives import extract
from mlberth.contract.environment import Environment
from mlberth.errors import ContractError, Fault
from mlberth_train.algorithms.algorithm import AlgorithmJob
from mlberth_train.algorithms.xgboost.boosting import Plan, boost, parameters_of
from mlberth_train.algorithms.xgboost.channel_table import BEGINNING
from mlberth_train.algorithms.xgboost.cluster import Cluster, joined
from mlberth_train.algorithms.xgboost.cross_validation import cross_validate
from mlberth_train.algorithms.xgboost.data import combined, read_data, to_dmatrix

MODEL = "xgboost-model"
# What XGBoost says of data and values that it cannot use: the job's fault, and no bug. Source:
# CUSTOMER_ERRORS of sagemaker-xgboost-container, in the words of XGBoost 3.
_USER_ERRORS = re.compile(
    r"label must|[Ll]abel contains|must be (?:nonnegative|positive)|base_score must|only contains pos or neg"
    r"|feature_names mismatch|Invalid (?:Input|Parameter)|[Gg]roup|doesn't support distributed|No more tree"
    r"|preds.size|not applicable"
)
_PLACE = re.compile(r"^\[[\d:]+\] \S+: ")


def train(job: AlgorithmJob) -> None:
    """Train, and save the model on the leader."""
    environment, hyperparameters = job.environment, job.hyperparameters
    parameters = parameters_of(hyperparameters, environment)
    with _users_errors(), joined(environment, job.environ) as cluster:
        matrices, stop = _matrices(job, parameters, cluster), StopRequest()
        checkpoints = checkpoint_folder(environment)
        plan = Plan(hyperparameters, parameters, cluster, stop, checkpoints, _beginning(job))
        with _remembered(stop, hyperparameters):
            if "_kfold" in hyperparameters:
                boosters = cross_validate(plan, matrices[0], _predictions_file(environment, cluster))
                models = {f"{MODEL}-{number}": booster for number, booster in enumerate(boosters)}
            else:
                models = {MODEL: boost(plan, *matrices)[0]}
            if cluster.is_leader:
                _save(models, environment.layout.model)


# A function of its own: XGBoost has copied the rows when it ends, and their memory is free.
def _matrices(job: AlgorithmJob, parameters: Mapping[str, Any], cluster: Cluster) -> list[Any]:
    """Return the matrices of this host: of both channels, or for cross-validation the one of all rows."""
    data = read_data(job, cluster)
    parts = [combined(data)] if "_kfold" in job.hyperparameters else [data.train, data.validation]
    objective, threads = parameters.get("objective", ""), parameters["nthread"]
    return [to_dmatrix(part, objective=objective, threads=threads) for part in parts if part is not None]


def checkpoint_folder(environment: Environment) -> Path | None:
    """Return where checkpoints are: the folder that the job names, or the usual one if it is there."""
    named = environment.checkpoint_config.get("LocalPath")
    folder = environment.layout.checkpoints
    return Path(named) if named else folder if folder.is_dir() else None


@contextmanager
def _remembered(stop: StopRequest, hyperparameters: Mapping[str, Any]) -> Iterator[None]:
    """Let a SIGTERM end training after the round, if the job asks for a model then."""
    if hyperparameters["save_model_on_termination"] == "true":
        with stop:
            yield
    else:
        yield


@contextmanager
def _users_errors() -> Iterator[None]:
    """Turn what XGBoost says of the job's data and values into an error without a traceback."""
    import xgboost

    try:
        yield
    except xgboost.core.XGBoostError as error:
        message = _PLACE.sub("", str(error).partition("\nStack trace")[0].strip())
        if _USER_ERRORS.search(message):
            raise ContractError(Fault("XGBoost", message, "")) from None
        raise


def _predictions_file(environment: Environment, cluster: Cluster) -> Path:
    name = "predictions.csv" if cluster.is_leader else f"predictions-{environment.hosts.current}.csv"
    return environment.layout.output_data / name


def _save(models: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, booster in models.items():
        draft = folder / f".{name}.partial"
        draft.write_bytes(booster.save_raw("ubj"))
        draft.replace(folder / name)


def _beginning(job: AlgorithmJob) -> bytes | None:
    """Return the model in the channel `model`; raises ContractError if there is none in it."""
    channel = job.channels.get(BEGINNING.name)
    if channel is None:
        if job.hyperparameters.get("process_type") == "update":
            found = "nothing, and process_type is update"
            raise ContractError(Fault(f"the channel {BEGINNING.name}", found, f"a model to update ({MODEL})"))
        return None
    for file in list_files(channel.path):
        if file.name == MODEL or file.suffix == ".ubj":
            return file.read_bytes()
        if file.name.endswith(".tar.gz") and (data := _from_archive(file)) is not None:
            return data
    found = ", ".join(file.name for file in list_files(channel.path)) or "no files"
    expected = f"{MODEL}, or a model.tar.gz with it"
    raise ContractError(Fault(f"the channel {BEGINNING.name} ({channel.path})", found, expected))


def _from_archive(file: Path) -> bytes | None:
    with tempfile.TemporaryDirectory() as folder:
        extract(file, Path(folder, "model"))
        return next((path.read_bytes() for path in sorted(Path(folder).rglob(MODEL))), None)
