"""The public parts of sagemaker-containers that programs use."""

from __future__ import annotations

from sagemaker_containers import training_env
from sagemaker_containers.beta.framework import (
    content_types,
    encoders,
    env,
    errors,
    modules,
    transformer,
    worker,
)

__all__ = [
    "content_types",
    "encoders",
    "env",
    "errors",
    "modules",
    "training_env",
    "transformer",
    "worker",
]
