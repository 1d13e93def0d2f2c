"""Models of every other library, and classes of the user's own: whatever has a `predict`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from mlberth_serve.handler.context import Context
from mlberth_serve.usercode.signatures import Function


def can_predict(model: Any) -> bool:
    """Return whether a model has a `predict` that can be called, and is no class itself."""
    predict = getattr(model, "predict", None)
    return callable(predict) and not isinstance(model, type) and not inspect.iscoroutinefunction(predict)


def make_predict(model: Any) -> Function:  # noqa: ARG001 - a framework's signature
    """Return a predict_fn that asks the model for what was read; one dimension of numbers is one row."""

    def predict(data: Any, model: Any, context: Context) -> Any:  # noqa: ARG001 - a predict_fn's signature
        is_row = isinstance(data, np.ndarray) and data.ndim == 1 and data.dtype.kind in "biuf"
        return model.predict(data.reshape(1, -1) if is_row else data)

    return predict
