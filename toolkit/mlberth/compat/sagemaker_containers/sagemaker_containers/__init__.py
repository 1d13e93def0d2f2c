"""A compatibility package for sagemaker-containers where that is not installed."""

from __future__ import annotations

from mlberth.compat.job import JobEnvironment


def training_env() -> JobEnvironment:
    """Return the training job."""
    return JobEnvironment()
