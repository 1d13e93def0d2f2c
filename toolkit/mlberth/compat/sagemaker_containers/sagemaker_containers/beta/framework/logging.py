"""The logger of the toolkit."""

from __future__ import annotations

import logging

from mlberth.compat.training.logs import configure_logger, log_script_invocation

__all__ = ["configure_logger", "get_logger", "log_script_invocation"]


def get_logger() -> logging.Logger:
    """Return the logger of this name."""
    return logging.getLogger("sagemaker-containers")
