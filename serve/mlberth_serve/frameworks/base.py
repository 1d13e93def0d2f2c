"""The protocol of a framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn, Protocol

from mlberth.errors import Fault, ModelLoadError
from mlberth_serve.usercode.signatures import Function
from mlberth_serve.variables import Variables

_PACKAGES = {"sklearn": "scikit-learn", "onnx": "onnxruntime"}
_IMAGES = frozenset({"sklearn", "xgboost", "torch"})


class Framework(Protocol):
    """How one framework's models are found, loaded and asked: the names of a framework's module."""

    FILES: str
    """What its model files are called, for people."""

    def is_model_file(self, path: Path) -> bool:
        """Return whether a file is one of its models."""

    def load(self, path: Path, *, safe_only: bool = False) -> Any:
        """Return the model; raise ModelLoadError, with `safe_only` also for a file that can run code."""

    def owns(self, model: Any) -> bool:
        """Return whether a model object is one of its own, without importing the framework."""

    def make_predict(self, model: Any) -> Function:
        """Return `predict_fn(data, model, context)` for one model."""


def has_base(model: Any, *names: str) -> bool:
    """Return whether a model's class, or one that it comes from, is one of `names` (module.Class)."""
    return any(f"{base.__module__}.{base.__qualname__}" in names for base in type(model).__mro__)


def refuse_model(path: Path, found: str, expected: str, action: str = "") -> NoReturn:
    """Raise ModelLoadError that names a model file, without the path that a library puts in its messages."""
    raise ModelLoadError(Fault(path.name, found.replace(str(path), path.name), expected, action))


def refuse_unsafe(path: Path, expected: str, *, found: str = "a pickle") -> NoReturn:
    """Raise ModelLoadError for a file that can run code when it is loaded, if that is not allowed."""
    raise ModelLoadError(Fault(path.name, f"{found}, with {Variables.safe_models_only.name}=true", expected))


def refuse_missing(path: Path, framework: str, error: ImportError) -> NoReturn:
    """Raise ModelLoadError for a model whose framework cannot be imported."""
    package, image = _PACKAGES.get(framework, framework), f", or use the image mlberth-serve:{framework}"
    action = f"Add {package} to requirements.txt{image if framework in _IMAGES else ''}."
    raise ModelLoadError(
        Fault(path.name, f"no usable {framework} ({error})", f"{framework} to be installed", action)
    ) from error
