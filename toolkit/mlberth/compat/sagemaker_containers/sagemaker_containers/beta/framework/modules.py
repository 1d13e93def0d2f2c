"""Modules of the user's, fetched, installed, imported and run."""

from __future__ import annotations

from mlberth.compat.training.modules import (
    DEFAULT_MODULE_NAME,
    download_and_install,
    exists,
    has_requirements,
    import_module,
    run_module,
)
from mlberth.compat.training.processes import install, s3_download

__all__ = [
    "DEFAULT_MODULE_NAME",
    "download_and_install",
    "exists",
    "has_requirements",
    "import_module",
    "install",
    "run_module",
    "s3_download",
]
