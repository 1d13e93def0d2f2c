"""Hyperparameters as command-line arguments.

Source: `to_cmd_args` of sagemaker-training-toolkit's `mapping.py`, reproduced exactly, so that an
existing `argparse` program reads what it always read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def to_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return a flag and a value for each hyperparameter, in the order of their names.

    One letter gives `-k`, more give `--key`, none gives "". True is `True`, None is "", a list is
    Python's `[1, 'a']`, and a map is `k=v,k2=v2`.
    """
    return [item for name in sorted(hyperparameters) for item in (_flag(name), _value(hyperparameters[name]))]


def _flag(name: str) -> str:
    if not name:
        return ""
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)
