"""Hyperparameters: typed as sagemaker-training-toolkit types them, and split by who they are for.

Source: its `environment.py` and `params.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mlberth._typing import NamedTuple, typing
from mlberth.contract.json_files import is_deep, read_object

PLATFORM_PREFIX = "sagemaker_"
PLATFORM_NAMES = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "default_user_module_name",
        "_tuning_objective_metric",
        "sagemaker_s3_output",
    }
)


class Hyperparameters(NamedTuple):
    """The three shares of hyperparameters.json, with typed values."""

    user: dict[str, typing.Any]
    """For the user's program."""
    framework: dict[str, typing.Any]
    """`sagemaker_*` settings of launchers and frameworks (SM_FRAMEWORK_PARAMS)."""
    platform: dict[str, typing.Any]
    """For the runtime itself: the program's name, its source, the log level, …"""


def read_hyperparameters(path: Path) -> Hyperparameters:
    """Read hyperparameters.json; an absent file is an empty one."""
    return split(typed_mapping(read_object(path, default={})))


def typed_mapping(mapping: Mapping[str, typing.Any]) -> dict[str, typing.Any]:
    """Return a mapping with every value typed."""
    return {name: typed(value) for name, value in mapping.items()}


def typed(value: typing.Any) -> typing.Any:
    """Decode a value as JSON if it is JSON, and keep it as it is otherwise.

    "1" becomes 1, "true" True, "1e3" 1000.0, "NaN" nan; "007", "True" and a value that is
    already a number stay as they are, and so does what is nested too deep to be written again.
    """
    if not isinstance(value, str):
        return value
    try:
        decoded = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return value if is_deep(decoded) else decoded


def split(hyperparameters: Mapping[str, typing.Any]) -> Hyperparameters:
    """Split typed hyperparameters by who they are for."""
    shares = Hyperparameters({}, {}, {})
    for name, value in hyperparameters.items():
        if name in PLATFORM_NAMES:
            shares.platform[name] = value
        elif name.startswith(PLATFORM_PREFIX):
            shares.framework[name] = value
        else:
            shares.user[name] = value
    return shares
