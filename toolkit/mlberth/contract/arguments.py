"""Hyperparameters as command-line arguments, in the ways that programs want to read them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from mlberth._typing import typing

Protocol = Callable[[Mapping[str, object]], list[str]]

_HYDRA_PLAIN = r"[A-Za-z_/.][\w/.\-+:%@ ]*(?<! )"  # text, which `re` compiles when it is needed
_HYDRA_WORDS = frozenset({"true", "false", "null", "nan", "inf"})


# What sagemaker-training-toolkit passes (`to_cmd_args` of its `mapping.py`), reproduced exactly, so that an
# existing program reads what it always read.
def to_argparse(hyperparameters: Mapping[str, typing.Any]) -> list[str]:
    """Return a flag and a value for each hyperparameter, in the order of their names.

    One letter gives `-k`, more give `--key`, none gives "". True is `True`, None is "", a list is
    Python's `[1, 'a']`, and a map is `k=v,k2=v2`.
    """
    return [item for name in sorted(hyperparameters) for item in (_flag(name), _text(hyperparameters[name]))]


# The mapping of the SageMaker SDK v3's drivers. It disagrees with `to_argparse` on True, None, lists and
# maps.
def to_json(hyperparameters: Mapping[str, typing.Any]) -> list[str]:
    """Return `--key value` in the file's order; text as it is, everything else as JSON."""
    return [item for name, value in hyperparameters.items() for item in (f"--{name}", _json(value))]


def to_flags(hyperparameters: Mapping[str, typing.Any]) -> list[str]:
    """Return `--x` for True and `--no-x` for False, nothing for None, and the rest as `to_json`.

    For `store_true` flags and argparse's BooleanOptionalAction.
    """
    arguments: list[str] = []
    for name, value in hyperparameters.items():
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            arguments += [f"--{name}", _json(value)]
    return arguments


def to_repeated(hyperparameters: Mapping[str, typing.Any]) -> list[str]:
    """Return a list as one flag an item (`--x 1 --x 2`, argparse's `append`), and the rest as `to_flags`."""
    arguments: list[str] = []
    for name, value in hyperparameters.items():
        for item in value if isinstance(value, list) else [value]:
            arguments += to_flags({name: item})
    return arguments


def to_hydra(hyperparameters: Mapping[str, typing.Any]) -> list[str]:
    """Return `key=value` overrides of Hydra and OmegaConf."""
    return [f"{name}={_hydra(value)}" for name, value in hyperparameters.items()]


def to_nothing(hyperparameters: Mapping[str, typing.Any]) -> list[str]:  # noqa: ARG001 - one shape for all protocols
    """Return no argument: the program reads SM_HPS or `mlberth.environment()`."""
    return []


PROTOCOLS: dict[str, Protocol] = {
    "argparse": to_argparse,
    "json": to_json,
    "flags": to_flags,
    "repeat": to_repeated,
    "hydra": to_hydra,
    "none": to_nothing,
}


def _flag(name: str) -> str:
    if not name:
        return ""
    return f"--{name}" if len(name) > 1 else f"-{name}"


def _text(value: typing.Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)


def _json(value: typing.Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hydra(value: typing.Any) -> str:
    """Write a value in Hydra's override grammar: bare if it is safe, quoted if it is not."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_hydra(str(key))}:{_hydra(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_hydra(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
    if re.fullmatch(_HYDRA_PLAIN, value) and value.lower() not in _HYDRA_WORDS:
        return value
    # In a quoted value a backslash counts only before a quote or at the end.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    trailing = len(escaped) - len(escaped.rstrip("\\"))
    return f"'{escaped}{chr(92) * trailing}'"
