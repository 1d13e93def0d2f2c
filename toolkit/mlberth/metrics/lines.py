"""Metrics as one line of a log, in numbers that simple regular expressions can match."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlberth.errors import ContractError, Fault

PREFIX = "metrics: "
RESERVED = ("step", "time", "host", "rank", "definition")
"""What a record says besides its metrics."""
_NAME = re.compile(r"[^\s=;]+")
_SMALL, _LARGE, _LONG = 1e-12, 1e16, 2**63
_ACTION = "Pass one number for each name, such as loss.item() or loss.mean()."


def to_numbers(values: Mapping[str, Any], step: object = None) -> dict[str, int | float]:
    """Return metrics as numbers; raises ContractError for every name and value that does not fit."""
    faults: list[Fault] = []
    numbers: dict[str, int | float] = {}
    if not values:
        expected = "at least one metric, such as loss=0.3"
        faults.append(Fault("mlberth.metrics.log", "nothing", expected))
    if step is not None and (isinstance(step, bool) or not isinstance(step, int)):
        faults.append(Fault("mlberth.metrics.log, step", _shown(step), "a whole number"))
    for name, value in values.items():
        where = f"mlberth.metrics.log, {name!r}"
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.isprintable():
            faults.append(Fault(where, "this name", "a name without blanks, '=' and ';'"))
        elif name in RESERVED:
            faults.append(Fault(where, "this name", f"another than {', '.join(RESERVED)}"))
        elif (number := _number(value)) is None:
            faults.append(Fault(where, _shown(value), "a number", _ACTION))
        else:
            numbers[name] = number
    if faults:
        raise ContractError(*faults)
    return numbers


def to_line(numbers: Mapping[str, int | float], step: int | None) -> str:
    """Return `metrics: step=7; loss=0.3;`."""
    parts = {**({} if step is None else {"step": step}), **numbers}
    return PREFIX + " ".join(f"{name}={to_text(number)};" for name, number in parts.items())


def to_text(number: float) -> str:
    """Return a number, without an exponent (`[0-9.]+` would cut it off) unless it is very small or large."""
    if isinstance(number, int) or not math.isfinite(number):
        return str(number)
    if number and not _SMALL <= abs(number) < _LARGE:
        return repr(number)
    return format(Decimal(repr(number)), "f")


def _number(value: Any) -> int | float | None:
    """Return the number that a value is or holds, or None."""
    if not isinstance(value, str | bytes | int | float) and hasattr(value, "item"):
        try:
            value = value.item()  # of numpy, PyTorch, JAX, TensorFlow
        except Exception:  # noqa: BLE001 - each has its own error for more than one number
            return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | bytes | bytearray | complex) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError, ArithmeticError):
        return None
    return value if isinstance(value, int) and abs(value) < _LONG else number


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a repr of the user's
        text = ""
    short = text if len(text) <= 60 else text[:60] + "…"
    return f"{type(value).__name__} {short}".strip()
