"""XGBoost: a Booster as save_model wrote it, or as the platform's own algorithm leaves it."""

from __future__ import annotations

import json
import logging
import re
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlberth.envvars import whole
from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks.base import has_base, refuse_missing, refuse_model, refuse_unsafe
from mlberth_serve.frameworks.casts import check_float32
from mlberth_serve.frameworks.columns import by_name
from mlberth_serve.frameworks.pickles import is_pickle, load_pickle
from mlberth_serve.frameworks.rows import is_sparse, to_numbers, to_rows
from mlberth_serve.frameworks.xgboost_fast import DensePredict
from mlberth_serve.handler.batched import batched
from mlberth_serve.handler.context import Context
from mlberth_serve.usercode.signatures import Function

log = logging.getLogger(__name__)

FILES = "*.ubj, *.json that XGBoost wrote, xgboost-model"
_ALGORITHM_FILE = "xgboost-model"
_HEAD = 512
_SOURCE = re.compile(r"^\[[\d:]+\] \S+: ")


def is_model_file(path: Path) -> bool:
    """Tell a model by its name, and a JSON file by the `learner` at its head."""
    if path.suffix == ".json":
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip()
        return head.startswith(b"{") and b'"learner"' in head
    return path.suffix == ".ubj" or path.name == _ALGORITHM_FILE


def holds_model(path: Path) -> bool:
    """Tell what XGBoost saved under any name: JSON or UBJSON, with the `learner` at its head."""
    with path.open("rb") as file:
        head = file.read(_HEAD).lstrip()
    return head.startswith(b"{") and b"learner" in head


def load(path: Path, *, safe_only: bool = False) -> Any:
    """Load a Booster, set to one thread: there is a worker for each CPU; a pickle may hold any model."""
    if path.name == _ALGORITHM_FILE and not safe_only and is_pickle(path):
        return _load_pickle(path)
    return load_booster(path, safe_only=safe_only, may_be_pickle=path.name == _ALGORITHM_FILE)


def _is_document(path: Path) -> bool:
    """Tell JSON and UBJSON, which are read as data, by the brace at their head."""
    with path.open("rb") as file:
        return file.read(_HEAD).lstrip().startswith(b"{")


def load_booster(path: Path, *, safe_only: bool, may_be_pickle: bool = True) -> Any:
    """Load a Booster from a file of any name; raises ModelLoadError."""
    try:
        import xgboost
    except ImportError as error:
        refuse_missing(path, "xgboost", error)
    pickled = may_be_pickle and is_pickle(path)
    if safe_only and (pickled or not _is_document(path)):
        found = "a pickle" if pickled else "neither JSON nor UBJSON"
        refuse_unsafe(path, "a model that Booster.save_model wrote", found=found)
    try:
        booster = _load_pickle(path) if pickled else _load_saved(path)
    except ModelLoadError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        # Without the time and the source file that XGBoost puts before its messages.
        message = _SOURCE.sub("", str(error)).strip() or "no message"
        refuse_model(
            path,
            f"{type(error).__name__}: {message.splitlines()[0]}",
            "a model that Booster.save_model wrote",
        )
    if not isinstance(booster, xgboost.Booster):
        refuse_model(path, f"a {type(booster).__name__}", "a Booster")
    booster.set_param({"nthread": 1})
    return booster


def owns(model: Any) -> bool:
    """Tell a Booster, or a model of the scikit-learn interface, by its class."""
    return has_base(model, "xgboost.core.Booster", "xgboost.sklearn.XGBModel")


def make_predict(model: Any) -> Function:
    """Return a predict_fn for rows or a DMatrix; it stops at the best iteration if one is known."""
    own = type(model).__module__.startswith("xgboost.")  # a subclass of the user's may predict otherwise
    if has_base(model, "xgboost.sklearn.XGBModel"):
        return batched(partial(_predict_estimator)) if own else _predict_estimator
    columns, names = model.num_features(), model.feature_names
    iterations = _iterations(model)
    # Linear boosters have no in-place prediction.
    is_linear = json.loads(model.save_config())["learner"]["gradient_booster"]["name"] == "gblinear"

    dense = DensePredict(iterations)

    def predict(data: Any, model: Any, context: Context) -> Any:  # noqa: ARG001 - a predict_fn's signature
        rows = to_numbers(to_rows(by_name(data, names) if names else data, columns))
        _check_numbers(rows)
        if has_base(rows, "xgboost.core.DMatrix"):
            return model.predict(rows, iteration_range=iterations, validate_features=False)
        if is_linear:
            return model.predict(_matrix(rows), iteration_range=iterations, validate_features=False)
        return dense(model, rows)

    return batched(predict) if own else predict


def _iterations(model: Any) -> tuple[int, int]:
    best = model.attr("best_iteration")
    try:
        return (0, whole(best) + 1) if best else (0, 0)
    except ValueError:
        fault = Fault("the model's attribute best_iteration", repr(best), "a whole number")
        raise ModelLoadError(fault) from None


def _predict_estimator(data: Any, model: Any, context: Context) -> Any:  # noqa: ARG001 - a predict_fn's signature
    names = getattr(model, "feature_names_in_", ())
    rows = to_numbers(to_rows(by_name(data, names), model.n_features_in_))
    _check_numbers(rows)
    return model.predict(rows)


def _check_numbers(rows: Any) -> None:
    """Refuse what XGBoost, which takes numbers as float32, would make infinite."""
    if isinstance(rows, np.ndarray):
        check_float32(rows)
    elif is_sparse(rows):
        check_float32(rows.data)


def _matrix(rows: Any) -> Any:
    import xgboost

    return xgboost.DMatrix(rows, missing=np.nan, nthread=1)


def _load_saved(path: Path) -> Any:
    import xgboost

    with warnings.catch_warnings():
        # That the format of a file without a suffix is told by its content, which is what is wanted.
        warnings.filterwarnings("ignore", ".*Unknown file format", UserWarning)
        # By path: from memory, XGBoost aborts the process on an empty or shortened model.
        return xgboost.Booster(model_file=str(path))


def _load_pickle(path: Path) -> Any:
    log.warning("%s is a pickle, which can run any code; save models with Booster.save_model", path.name)
    return load_pickle(path)
