"""A job read from configuration files in a temporary folder."""

from __future__ import annotations

from typing import Any

from tests.conftest import WriteConfig

from mlberth.contract.environment import Environment


def job(write_config: WriteConfig, environ: dict[str, str] | None = None, **files: Any) -> Environment:
    """Read a job with the given configuration files."""
    return Environment.from_environ(
        {"SAGEMAKER_BASE_DIR": str(write_config(**files).base), **(environ or {})}
    )
