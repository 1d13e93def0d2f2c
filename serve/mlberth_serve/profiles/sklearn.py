"""The scikit-learn container: one dimension stays one, CSV and JSON become float32."""

from __future__ import annotations

import logging
from typing import Any

from mlberth_serve.frameworks.rows import explain_refusal
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import CSV, NPY
from mlberth_serve.profiles.base import Profile
from mlberth_serve.profiles.peer_formats import (
    check_type,
    read_json,
    read_npy,
    read_smc_csv,
    to_float32,
    write_smc,
)

log = logging.getLogger(__name__)


def input_fn(input_data: Any, content_type: str, context: Context) -> Any:  # noqa: ARG001 - a handler's signature
    """Read a body as the container does."""
    name = check_type(input_data, content_type)
    if name == NPY:
        return read_npy(input_data)
    array = read_smc_csv(input_data) if name == CSV else read_json(input_data)
    return to_float32(array)


def predict_fn(data: Any, model: Any, context: Context) -> Any:
    """Ask the model for what was read, in whatever shape."""
    try:
        return model.predict(data)
    except (ValueError, TypeError) as error:
        log.warning("request %s: the model refused the rows: %s", context.request_id, error)
        raise explain_refusal(data) from error


def output_fn(prediction: Any, accept: str, context: Context) -> tuple[bytes, str]:  # noqa: ARG001
    """Write an answer as the container does."""
    return write_smc(prediction, accept)


PROFILE = Profile(input_fn, predict_fn, output_fn)
