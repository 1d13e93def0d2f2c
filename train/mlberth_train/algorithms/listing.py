"""The algorithms in words: what `mlberth algorithms` prints, from the tables that check jobs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from mlberth_train.algorithms.algorithm import Algorithm
from mlberth_train.algorithms.channels import ChannelRule
from mlberth_train.algorithms.hyperparameters import Hyperparameter
from mlberth_train.algorithms.registry import ALGORITHMS, find_algorithm

_WIDTH = 100


def list_algorithms() -> str:
    """Return a line for each algorithm."""
    width = max(map(len, ALGORITHMS))
    return "\n".join(f"{name:<{width}}  {find_algorithm(name).help}" for name in ALGORITHMS)


def describe(algorithm: Algorithm) -> str:
    """Return an algorithm's channels and hyperparameters."""
    lines = [algorithm.name, *_wrapped(algorithm.help, 2), "", "channels"]
    for rule in algorithm.channels:
        lines += [f"  {rule.name} ({channel_value(rule)})", *_wrapped(rule.help, 6)]
    lines += ["", "hyperparameters"]
    for one in algorithm.hyperparameters:
        lines += [*_wrapped(f"{'/'.join((one.name, *one.aliases))}: {one.expected}; {default_of(one)}", 2)]
        lines += _wrapped(one.help, 6)
    return "\n".join(lines)


def channel_value(rule: ChannelRule) -> str:
    """Return in words what a channel takes."""
    parts = ["required" if rule.required else "optional", ", ".join(rule.forms)]
    return "; ".join([*parts, f"label_size {' or '.join(map(str, rule.label_sizes))}"])


def default_of(one: Hyperparameter) -> str:
    """Return in words what counts without a value."""
    if one.required:
        return "required"
    return "no default" if one.default is None else f"default {_text(one.default)}"


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _wrapped(text: str, indent: int) -> Iterator[str]:
    margin = " " * indent
    yield from textwrap.wrap(text, _WIDTH, initial_indent=margin, subsequent_indent=margin)
