"""PyTorch: a module as TorchScript or torch.export saved it, which are programs.

PyTorch says of torch.jit.load: "It is possible to construct malicious pickle data which will execute
arbitrary code", and of torch.export.load: "uses pickle under the hood to load models. Never load data from
an untrusted source". What torch.save wrote is not loaded at all.
"""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mlberth_serve.codecs.values.arrays import from_tensor
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks.base import has_base, refuse_missing, refuse_model, refuse_unsafe
from mlberth_serve.frameworks.casts import cast
from mlberth_serve.frameworks.rows import from_list, to_dense, to_numbers
from mlberth_serve.handler.context import Context
from mlberth_serve.media_types import NPY
from mlberth_serve.usercode.signatures import Function

log = logging.getLogger(__name__)

FILES = "*.pt or *.pth of torch.jit.save, *.pt2 of torch.export.save"
_EXPORTED = ".pt2"
_WIDEST = 8
"""How many bytes the widest numbers of a tensor have."""
_SUFFIXES = {".pt", ".pth", _EXPORTED}


def is_model_file(path: Path) -> bool:
    """Tell a model by its suffix."""
    return path.suffix in _SUFFIXES


def load(path: Path, *, safe_only: bool = False) -> Any:
    """Load a module onto the CPU, in evaluation mode; with `safe_only` every file is refused, unread."""
    if safe_only:
        found = "a file that is a program to PyTorch"
        refuse_unsafe(path, "a format without code, such as ONNX", found=found)
    try:
        import torch
    except ImportError as error:
        refuse_missing(path, "torch", error)
    if path.suffix != _EXPORTED and not _is_torchscript(path):
        refuse_model(
            path,
            "weights without the module that they belong to",
            "a whole module that torch.jit.save or torch.export.save wrote",
            "Or build the module in a model_fn of your own and load them with weights_only=True.",
        )
    log.warning("%s can run any code when it is loaded; export models to ONNX to rule that out", path.name)
    try:
        if path.suffix == _EXPORTED:
            return torch.export.load(path).module()  # exported programs are fixed: they have no eval()
        return torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:  # noqa: BLE001 - a damaged archive can raise anything
        first_line = (str(error).strip() or "no message").splitlines()[0]
        refuse_model(path, f"{type(error).__name__}: {first_line}", f"a file of {FILES}")


def owns(model: Any) -> bool:
    """Tell a module by its class."""
    return has_base(model, "torch.nn.modules.module.Module")


def move_to(model: Any, device: str) -> None:
    """Move a module to a GPU."""
    model.to(device)


def make_predict(model: Any) -> Function:  # noqa: ARG001 - a framework's signature
    """Return a predict_fn that makes a tensor of an array, and arrays of the tensors that come out.

    The numbers of an .npy body keep their type; those of any other become float32, the type of most
    weights. One dimension is one row.
    """
    import torch

    def predict(data: Any, model: Any, context: Context) -> Any:
        tensor = data = to_dense(data)
        if isinstance(data, np.ndarray | list):
            array = to_numbers(from_list(data) if isinstance(data, list) else data)
            if context.content_type != NPY:
                array = cast(array, np.float32)
            elif array.dtype.itemsize > _WIDEST:
                array = cast(array, np.float64)
            tensor = torch.from_numpy(array.reshape(1, -1) if array.ndim == 1 else array)
            if not array.size:
                raise BadRequestError("The body holds an empty array.")
        parameter = next(model.parameters(), None)
        if parameter is not None and isinstance(tensor, torch.Tensor):
            tensor = tensor.to(parameter.device)  # nothing, if it is there already
        with torch.inference_mode():
            return _to_arrays(model(tensor), torch.Tensor)

    return predict


def _is_torchscript(path: Path) -> bool:
    """Tell TorchScript from a state dict: both are zip archives, one of them holds code."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _to_arrays(value: Any, tensor_type: Any) -> Any:
    if isinstance(value, tensor_type):
        return from_tensor(value)
    if isinstance(value, dict):
        return {key: _to_arrays(item, tensor_type) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_arrays(item, tensor_type) for item in value]
    return value
