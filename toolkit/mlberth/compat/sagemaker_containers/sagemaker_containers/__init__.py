"""A compatibility package for sagemaker-containers if that is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlberth.compat.job import JobEnvironment


def training_env(
    resource_config: Mapping[str, Any] | None = None,
    input_data_config: Mapping[str, Any] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> JobEnvironment:
    """Return the training job."""
    return JobEnvironment(resource_config, input_data_config, hyperparameters)
