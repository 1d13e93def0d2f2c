"""The logger of the toolkit."""

from __future__ import annotations

import logging

_NAME = "sagemaker-inference"


def configure_logger() -> None:
    """Show what the logger logs, with the time."""
    if not get_logger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s - %(name)s - %(levelname)s - %(message)s"))
        get_logger().addHandler(handler)


def get_logger() -> logging.Logger:
    """Return the toolkit's logger."""
    return logging.getLogger(_NAME)
