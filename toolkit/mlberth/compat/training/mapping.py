"""Maps as variables and arguments, and parts of maps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mlberth.compat.values import Values as MappingMixin
from mlberth.contract.arguments import to_argparse

__all__ = ["MappingMixin", "SplitResultSpec", "split_by_criteria", "to_cmd_args", "to_env_vars"]


class SplitResultSpec(NamedTuple):
    """The two parts of a map."""

    included: dict[str, Any]
    excluded: dict[str, Any]


def to_env_vars(mapping: Mapping[str, Any]) -> dict[str, str]:
    """Return variables `SM_NAME`: text as it is, None as "", everything else as JSON."""
    return {f"SM_{str(name).upper()}" if name else "": _text(value) for name, value in mapping.items()}


def to_cmd_args(mapping: Mapping[str, Any]) -> list[str]:
    """Return a flag and a value for each item, in the order of the names."""
    plain = {
        name: value.decode("latin1") if isinstance(value, bytes) else value for name, value in mapping.items()
    }
    return to_argparse(plain)


def split_by_criteria(
    dictionary: Mapping[str, Any], keys: Iterable[str] | None = None, prefix: str | None = None
) -> SplitResultSpec:
    """Split a map into the items that have one of the keys or the prefix, and the others."""
    wanted = frozenset(keys or ())
    included = {
        name: value
        for name, value in dictionary.items()
        if name in wanted or (prefix and name.startswith(prefix))
    }
    return SplitResultSpec(included, {name: dictionary[name] for name in dictionary if name not in included})


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin1")
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
