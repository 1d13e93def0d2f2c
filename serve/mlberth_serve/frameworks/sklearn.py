"""scikit-learn: an estimator or pipeline as joblib, skops or pickle saved it."""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks.base import has_base, refuse_missing, refuse_model, refuse_unsafe
from mlberth_serve.frameworks.columns import by_name, to_frame
from mlberth_serve.frameworks.pickles import holds_pickle, load_pickle, set_one_thread
from mlberth_serve.frameworks.row_wise import is_row_wise
from mlberth_serve.frameworks.rows import explain_refusal, to_rows
from mlberth_serve.frameworks.sklearn_fast import find_linear, make_linear_predict
from mlberth_serve.frameworks.texts import takes_texts, to_free_rows, to_texts
from mlberth_serve.handler.batched import batched
from mlberth_serve.handler.context import Context
from mlberth_serve.usercode.signatures import Function

log = logging.getLogger(__name__)

FILES = "*.skops, *.joblib, *.pkl, or a pickle of any name"
_SKOPS = ".skops"
_SUFFIXES = {_SKOPS, ".joblib", ".pkl"}
_FREE_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
_NAMED_PARTS = ("sklearn.compose._column_transformer.ColumnTransformer", _FREE_FUNCTION)


def is_model_file(path: Path) -> bool:
    """Tell a model by its suffix."""
    return path.suffix in _SUFFIXES


def holds_model(path: Path) -> bool:
    """Tell a pickle by what it holds."""
    return holds_pickle(path)


def load(path: Path, *, safe_only: bool = False) -> Any:
    """Load a model, set to one thread: there is a worker for each CPU.

    joblib and pickle files run code of their own; who may write the model folder is trusted, since
    its inference.py runs anyway. skops files are refused when they hold types that skops does not know.
    """
    if path.suffix == _SKOPS:
        try:
            return set_one_thread(_load_skops(path))
        except ImportError as error:
            refuse_missing(path, "sklearn", error)
    if safe_only:
        refuse_unsafe(path, "a model that skops.io.dump wrote")
    log.warning(
        "%s can run any code when it is loaded; save models with skops.io.dump to rule that out", path.name
    )
    return load_pickle(path)


def owns(model: Any) -> bool:
    """Tell an estimator by its class."""
    return has_base(model, "sklearn.base.BaseEstimator")


def make_predict(model: Any) -> Function:
    """Return a predict_fn that checks the number of columns and calls predict().

    A model that was trained on a data frame gets named cells (CSV with a header, records, parquet) by
    name, others by place; it gets a data frame if a part of it may ask for one.
    """
    columns = getattr(model, "n_features_in_", None)
    names = getattr(model, "feature_names_in_", None)
    if names is None and columns is None and takes_texts(model):
        predict = _make_text_predict()
    elif names is None:
        predict, linear = _make_plain_predict(columns), find_linear(model)
        predict = make_linear_predict(linear, model.n_features_in_, predict) if linear else predict
    else:
        predict = _make_named_predict(model, [str(name) for name in names])
    return batched(predict) if is_row_wise(model) else predict


def _make_plain_predict(columns: int | None) -> Function:
    def predict(data: Any, model: Any, context: Context) -> Any:
        rows = to_rows(data, columns) if columns is not None else to_free_rows(data)
        try:
            return model.predict(rows)
        except (ValueError, TypeError) as error:
            log.warning("request %s: the model refused the rows: %s", context.request_id, error)
            raise explain_refusal(rows) from error

    return predict


def _make_text_predict() -> Function:
    def predict(data: Any, model: Any, context: Context) -> Any:  # noqa: ARG001 - a predict_fn's signature
        return model.predict(to_texts(data))

    return predict


def _make_named_predict(model: Any, names: list[str]) -> Function:
    wants_frame = _wants_frame(model)
    if wants_frame and not find_spec("pandas"):
        found = "no pandas; a part of it was trained on a data frame's columns"
        raise ModelLoadError(
            Fault("the model", found, "pandas to be installed", "Add it to requirements.txt.")
        )
    # It is for those who call it, and would come with every request that has no names.
    warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)

    def predict(data: Any, model: Any, context: Context) -> Any:
        rows = to_rows(by_name(data, names), len(names))
        try:
            is_array = isinstance(rows, np.ndarray)
            return model.predict(to_frame(rows, names) if wants_frame and is_array else rows)
        except (ValueError, TypeError) as error:
            log.warning("request %s: the model refused the rows: %s", context.request_id, error)
            raise explain_refusal(rows) from error

    return predict


def _wants_frame(model: Any) -> bool:
    """Return whether any part of a model can ask for columns by name."""
    parts = [model, *model.get_params().values()] if hasattr(model, "get_params") else [model]
    estimators = [part for part in parts if owns(part)]
    return any(
        not type(part).__module__.startswith("sklearn.") or has_base(part, *_NAMED_PARTS)
        for part in estimators
    )


def _load_skops(path: Path) -> Any:
    from skops import io

    try:
        unknown = io.get_untrusted_types(file=path)
        model = None if unknown else io.load(path)
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        refuse_model(path, f"{type(error).__name__}: {error}", "a model that skops.io.dump wrote")
    if unknown:
        action = "Load it in a model_fn of your own that trusts them by name."
        refuse_model(
            path, "types that skops does not trust: " + ", ".join(unknown), "trusted types alone", action
        )
    return model
