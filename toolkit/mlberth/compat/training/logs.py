"""Loggers as both toolkits for training set them."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence

from mlberth.masking import masked_mapping

_LIBRARIES = ("boto3", "s3transfer", "botocore")
_FORMAT = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"


def configure_logger(level: int | str, log_format: str = _FORMAT) -> None:
    """Show what is logged from a level on."""
    logging.basicConfig(format=log_format, level=level)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_script_invocation(
    cmd: Sequence[str], env_vars: Mapping[str, str], logger: logging.Logger | None = None
) -> None:
    """Log a command and its variables, secrets masked."""
    variables = "\n".join(f"{name}={value}" for name, value in masked_mapping(env_vars).items())
    logger = logger or logging.getLogger("sagemaker-training-toolkit")
    logger.info("Invoking script\n\n%s\n\n%s", variables, shlex.join(map(str, cmd)))
