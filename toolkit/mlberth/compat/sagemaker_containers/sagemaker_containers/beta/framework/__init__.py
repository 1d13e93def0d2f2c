"""The public parts of sagemaker-containers that programs use."""

from __future__ import annotations

from sagemaker_containers import entry_point, training_env
from sagemaker_containers.beta.framework import (
    content_types,
    encoders,
    env,
    errors,
    files,
    functions,
    logging,
    mapping,
    modules,
    params,
    process,
    runner,
    server,
    transformer,
    worker,
)

__all__ = [
    "content_types",
    "encoders",
    "entry_point",
    "env",
    "errors",
    "files",
    "functions",
    "logging",
    "mapping",
    "modules",
    "params",
    "process",
    "runner",
    "server",
    "training_env",
    "transformer",
    "worker",
]
