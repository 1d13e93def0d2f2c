"""Frameworks: how a model is found, loaded and asked when the user wrote no code for it.

To add one, write a module with what `Framework` lists and give it a line in FRAMEWORKS. A framework
is imported only when one of its models is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.frameworks import onnx, sklearn, torch, xgboost
from mlberth_serve.frameworks.framework import Framework

FRAMEWORKS: dict[str, Framework] = {
    # A model of xgboost's scikit-learn interface is an estimator too; xgboost comes first to get it.
    "xgboost": xgboost,
    "sklearn": sklearn,
    "torch": torch,
    "onnx": onnx,
}

_MOST_LISTED = 20


def find_model(model_dir: Path) -> tuple[Framework, Path]:
    """Return the one model file of a folder and its framework; raises ModelLoadError for none or several."""
    names = sorted(entry.name for entry in model_dir.iterdir()) if model_dir.is_dir() else []
    files = [model_dir / name for name in names if not name.startswith(".") and (model_dir / name).is_file()]
    found = [
        (framework, path)
        for path in files
        for framework in FRAMEWORKS.values()
        if framework.is_model_file(path)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        what = "several model files: " + ", ".join(path.name for _, path in found)
    elif names:
        what = (
            "no model file among "
            + ", ".join(names[:_MOST_LISTED])
            + (", …" if len(names) > _MOST_LISTED else "")
        )
    else:
        what = "nothing in it" if model_dir.is_dir() else "no such folder"
    looked_for = "; ".join(f"{name}: {framework.FILES}" for name, framework in FRAMEWORKS.items())
    action = "Or load the model in a model_fn(model_dir) of your own, in code/inference.py."
    raise ModelLoadError(Fault("the model folder", what, f"one model file ({looked_for})", action))


def find_owner(model: Any) -> Framework | None:
    """Return the framework that a model object belongs to; imports none to find out."""
    return next((framework for framework in FRAMEWORKS.values() if framework.owns(model)), None)


def place(model: Any, device: str) -> None:
    """Move a model to a worker's device, "cpu" or "cuda:N", where its framework knows of devices."""
    for framework in (torch, onnx):
        if device != "cpu" and framework.owns(model):
            framework.place(model, device)
