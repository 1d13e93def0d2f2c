"""Multi-model containers: those that load models by request. Source: `Mode` of a `ContainerDefinition`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlberth.contract.layout import DEFAULT_BASE
from mlberth_local.gateway.table import ModelStore

INSIDE = f"{DEFAULT_BASE}/models"
ENVIRON = {"SAGEMAKER_MULTI_MODEL": "true"}
"""What tells a container to begin without a model."""


def is_multi_model(container: Mapping[str, Any]) -> bool:
    """Return whether a container loads models by request."""
    return container.get("Mode") == "MultiModel"


def multi_model_place(containers: Sequence[Mapping[str, Any]]) -> int | None:
    """Return which of the containers loads models by request, from 0 on; None if none does."""
    return next((place for place, one in enumerate(containers) if is_multi_model(one)), None)


def models_folder(base: Path) -> Path:
    """Return the folder of the models in the tree of a container's run."""
    return base / "models"


def model_store(container: Mapping[str, Any], place: int, base: Path, *, in_containers: bool) -> ModelStore:
    """Return where a container has its models, as the gateway has to know it."""
    folder = str(models_folder(base))
    setting = (container.get("MultiModelConfig") or {}).get("ModelCacheSetting")
    return ModelStore(place, folder, INSIDE if in_containers else folder, setting != "Disabled")
