"""Frameworks: how a model is found, loaded and asked when the user wrote no code for it.

To add one, write a module with what `Framework` lists and give it a line in FRAMEWORKS. A framework
is imported only when one of its models is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks import onnx, other, safetensors, sklearn, torch, xgboost
from mlberth_serve.frameworks.base import Framework
from mlberth_serve.usercode.signatures import Function

FRAMEWORKS: dict[str, Framework] = {
    # A model of xgboost's scikit-learn interface is an estimator too; xgboost comes first to get it.
    "xgboost": xgboost,
    "sklearn": sklearn,
    "torch": torch,
    "onnx": onnx,
}

_MAX_LISTED = 20
_DATA = frozenset(
    {".csv", ".json", ".jsonl", ".md", ".npy", ".npz", ".parquet", ".py", ".safetensors", ".txt"}
)
"""Names that promise something without code are never looked into for a pickle."""
_PACKED = (".tar.gz", ".tgz", ".tar", ".zip")


def find_model(model_dir: Path) -> tuple[Framework, Path]:
    """Return the one model file of a folder and its framework; raises ModelLoadError for none or several."""
    try:
        paths = list_visible(model_dir)
        files = [path for path in paths if path.is_file()]
        found = [
            (framework, path)
            for path in files
            for framework in FRAMEWORKS.values()
            if framework.is_model_file(path)
        ]
        found = found or [
            (framework, path)
            for path in files
            for framework in (xgboost, sklearn)
            if path.suffix not in _DATA and framework.holds_model(path)
        ]
    except OSError as error:  # a folder or a file that we may not read, say
        what = f"{Path(error.filename).name}: {error.strerror}"
        raise _no_model(model_dir, what) from error
    if len(found) == 1:
        return found[0]
    if not found and (tensors := [path for path in files if path.suffix == safetensors.SUFFIX]):
        safetensors.refuse_alone(tensors[0])
    if found:
        what = "several model files: " + ", ".join(path.name for _, path in found)
    elif paths:
        names = [path.name for path in paths[:_MAX_LISTED]]
        what = f"no model file among {', '.join(names)}" + (", …" if len(paths) > _MAX_LISTED else "")
    else:
        what = "nothing in it" if model_dir.is_dir() else "no such folder"
    if not found and (packed := next((path for path in files if path.name.endswith(_PACKED)), None)):
        raise _packed_model(packed)
    raise _no_model(model_dir, what)


def list_visible(model_dir: Path) -> list[Path]:
    """Return what is in the model folder and not hidden, by name; raises OSError if it cannot be read."""
    try:
        return sorted(path for path in model_dir.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _no_model(model_dir: Path, what: str) -> ModelLoadError:
    looked_for = "; ".join(f"{name}: {framework.FILES}" for name, framework in FRAMEWORKS.items())
    action = "Or load the model in a model_fn(model_dir) of your own, in code/inference.py."
    return ModelLoadError(
        Fault(f"the model folder {model_dir}", what, f"one model file ({looked_for})", action)
    )


def _packed_model(path: Path) -> ModelLoadError:
    unpack = "unzip" if path.suffix == ".zip" else "tar -xf"
    action = f"Unpack it before the start: cd {path.parent} && {unpack} {path.name}"
    return ModelLoadError(
        Fault(
            f"the model folder {path.parent}", f"{path.name}, which is packed", "its unpacked content", action
        )
    )


def find_owner(model: Any) -> Framework | None:
    """Return the framework that a model object belongs to; imports none to find out."""
    return next((framework for framework in FRAMEWORKS.values() if framework.owns(model)), None)


def make_predict(model: Any) -> Function | None:
    """Return the predict_fn of a model's own framework, or one that calls its `predict`; None without one."""
    framework = find_owner(model)
    if framework and framework is not sklearn:
        return framework.make_predict(model)
    if not other.can_predict(model):  # a transformer, say
        return None
    return framework.make_predict(model) if framework else other.make_predict(model)


def move_to(model: Any, device: str) -> None:
    """Move a model to a worker's device, "cpu" or "cuda:N", if its framework knows of devices."""
    for framework in (torch, onnx):
        if device != "cpu" and framework.owns(model):
            framework.move_to(model, device)
