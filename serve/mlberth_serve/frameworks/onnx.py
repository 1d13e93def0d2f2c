"""ONNX: a model that any framework exported, run by ONNX Runtime (the extra `onnx`)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks.base import has_base, refuse_missing, refuse_model
from mlberth_serve.frameworks.casts import cast, to_text
from mlberth_serve.frameworks.columns import by_name
from mlberth_serve.frameworks.rows import to_dense, to_rows
from mlberth_serve.handler.context import Context
from mlberth_serve.usercode.signatures import Function

log = logging.getLogger(__name__)

FILES = "*.onnx"
_TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint64)": np.uint64,
    "tensor(uint32)": np.uint32,
    "tensor(uint16)": np.uint16,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
_ERRORS = 3
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def is_model_file(path: Path) -> bool:
    """Tell a model by its suffix."""
    return path.suffix == ".onnx"


def load(path: Path, *, safe_only: bool = False) -> Any:  # noqa: ARG001 - a graph runs no code of its own
    """Load a model, set to one thread: there is a worker for each CPU, and one thread can be forked."""
    try:
        import onnxruntime
    except ImportError as error:
        refuse_missing(path, "onnx", error)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[_CPU])
    except Exception as error:  # noqa: BLE001 - a damaged file can raise anything
        first_line = (str(error).strip() or "no message").splitlines()[0]
        refuse_model(path, f"{type(error).__name__}: {first_line}", "a model that ONNX Runtime knows")


def owns(model: Any) -> bool:
    """Tell a session by its class."""
    return has_base(model, "onnxruntime.capi.onnxruntime_inference_collection.InferenceSession")


def move_to(model: Any, device: str, available: Callable[[], list[str]] | None = None) -> None:
    """Run a session on a GPU, "cuda:N", if ONNX Runtime was built for CUDA; it stays on the CPU otherwise.

    Here and not in `load`, since what CUDA has begun cannot be forked.
    """
    if available is None:
        import onnxruntime

        available = onnxruntime.get_available_providers
    if _CUDA in available():
        model.set_providers([_CUDA, _CPU], [{"device_id": device.partition(":")[2]}, {}])
    log.info("ONNX Runtime predicts with its %s", model.get_providers()[0])


def make_predict(model: Any) -> Function:
    """Return a predict_fn that answers with the model's first output.

    A model of one input gets the array, one of several inputs (as skl2onnx makes of a data frame) a
    column each. Cells get the type that the model declares; one whose value it cannot have is 400.
    """
    inputs = model.get_inputs()
    output = [model.get_outputs()[0].name]
    names = [each.name for each in inputs]

    def predict(data: Any, model: Any, context: Context) -> Any:
        rows = to_dense(by_name(data, names))
        if len(inputs) == 1:
            feed = {names[0]: _cast(_fit(rows, inputs[0].shape), inputs[0].type)}
        else:
            rows = to_rows(rows, len(inputs))
            feed = {each.name: _cast(rows[:, [at]], each.type, each.name) for at, each in enumerate(inputs)}
        try:
            return model.run(output, feed)[0]
        except Exception as error:
            if type(error).__name__ != "InvalidArgument":  # ONNX Runtime's word for input of another shape
                raise
            log.warning("request %s: the model refused the input: %s", context.request_id, error)
            raise BadRequestError("The model refuses the input; the log has the cause.") from error

    return predict


def _fit(data: Any, shape: list[Any]) -> Any:
    """Return data in as many dimensions as the input has; rows of cells are checked for their width."""
    if len(shape) == 2:
        return to_rows(data, shape[1] if isinstance(shape[1], int) else None)
    return data


def _cast(data: Any, kind: str, name: str = "") -> Array:
    if kind not in _TYPES:
        raise TypeError(f"an input of the model is a {kind}, which no body can hold")
    return to_text(data, name) if _TYPES[kind] is object else cast(data, _TYPES[kind], name)
