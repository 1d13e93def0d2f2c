"""The PyTorch container: tensors in and out, an answer's floats with every digit of a float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlberth_serve.codecs import npy
from mlberth_serve.codecs.values.arrays import from_tensor
from mlberth_serve.errors import NotAcceptableError
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import CSV, JSON, NPY
from mlberth_serve.profiles.base import Profile
from mlberth_serve.profiles.peer_formats import (
    check_type,
    read_json,
    read_npy,
    read_sit_csv,
    to_float32,
    write_json,
    write_sit_csv,
)

_WRITERS = {JSON: write_json, CSV: write_sit_csv, NPY: npy.encode}


def input_fn(input_data: Any, content_type: str, context: Context) -> Any:  # noqa: ARG001 - a handler's signature
    """Return a tensor: float32 of CSV and JSON, in the shape that was sent."""
    import torch

    name = check_type(input_data, content_type)
    if name == NPY:
        return torch.from_numpy(read_npy(input_data))
    array = read_sit_csv(input_data) if name == CSV else read_json(input_data)
    return torch.from_numpy(np.atleast_1d(to_float32(array)).reshape(array.shape))


def predict_fn(data: Any, model: Any, context: Context) -> Any:  # noqa: ARG001
    """Ask the module, on the device where it is."""
    import torch

    parameter = next(model.parameters(), None)
    with torch.no_grad():
        return model(data if parameter is None else data.to(parameter.device))


def output_fn(prediction: Any, accept: str, context: Context) -> tuple[bytes, str]:  # noqa: ARG001
    """Write a tensor's numbers as the container does."""
    if accept not in _WRITERS:
        raise NotAcceptableError(f"Accept allows none of {', '.join(_WRITERS)}.")
    if hasattr(prediction, "detach"):
        prediction = from_tensor(prediction).tolist()
    return _WRITERS[accept](prediction), accept


PROFILE = Profile(input_fn, predict_fn, output_fn)
