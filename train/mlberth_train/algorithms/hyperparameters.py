"""A table of hyperparameters, and a job's values checked against it, all faults at once.

ETA = Hyperparameter("eta", CONTINUOUS, range="[0, 1]", default=0.3, help="…", aliases=("learning_rate",))
values, faults = checked((ETA, …), {"eta": 0.1, …})
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from mlberth.errors import Fault
from mlberth.masking import masked

# The kinds are those of sagemaker_algorithm_toolkit, and text.
INTEGER, CONTINUOUS, CATEGORICAL, TEXT = "integer", "continuous", "categorical", "text"
LIST, TUPLE, NESTED = "list", "tuple", "nested"
"""Words with commas between them, `(1, 0, -1)`, and `[[0, 2], [1, 3]]`."""

Rules = Callable[[Mapping[str, Any]], Iterable[Fault]]
_FEW = 10
_RANGE = re.compile(r"([\[(])\s*(\S+)\s*,\s*(\S+)\s*([\])])")


class Hyperparameter(NamedTuple):
    """One hyperparameter."""

    name: str
    kind: str
    default: Any = None
    """None: without a value of the user's it is not in the job at all."""
    range: str = ""
    """Of numbers, also in a `nested` list: `[0, 1]`, `(0, 1]` without 0, `[1, inf)`; "" is any number."""
    choices: tuple[Any, ...] = ()
    """What a `categorical` value, a word of a `list` or a number of a `tuple` may be; () for any.

    A number may be one of these words too: `auto`.
    """
    required: bool = False
    help: str = ""
    """A sentence or two for the reference."""
    aliases: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What a value has to be, in words."""
        return _EXPECTED[self.kind](self)

    def parse(self, value: Any) -> Any:
        """Return a value with the type of its kind; raises ValueError for another.

        That is int, float, str, a list of str, a tuple of int, or lists of int in a list. `value` is as
        `mlberth.contract.hyperparameters` types it: what is JSON is decoded.
        """
        if self.kind in (INTEGER, CONTINUOUS) and value in self.choices:
            return value
        return _PARSERS[self.kind](self, value)


def checked(
    table: Sequence[Hyperparameter], given: Mapping[str, Any], rules: Rules = lambda _: ()
) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values by name, with defaults, and everything that is wrong with them.

    `rules` is asked about the values that are right by themselves.
    """
    names = {name: one for one in table for name in (one.name, *one.aliases)}
    values: dict[str, Any] = {}
    faults = [_unknown(name, names) for name in given if name not in names]
    for one in table:
        found = [name for name in (one.name, *one.aliases) if name in given]
        if len(found) > 1:
            faults.append(Fault(_where(" and ".join(found)), "a value for each", "one of them, they are one"))
        elif found:
            try:
                values[one.name] = one.parse(given[found[0]])
            except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError):
                faults.append(Fault(_where(found[0]), repr(masked(found[0], given[found[0]])), one.expected))
        elif one.required:
            faults.append(Fault(_where(one.name), "nothing", f"{one.expected}, which is required"))
        elif one.default is not None:
            values[one.name] = one.default
    return values, [*faults, *rules(values)]


def _where(name: str) -> str:
    return f"the hyperparameter{'s' if ' ' in name else ''} {name}"


def _unknown(name: str, names: Mapping[str, Hyperparameter]) -> Fault:
    near = get_close_matches(name, names, n=1)
    # The platform shows 1024 bytes of a failure: a long list would hide every other fault.
    known = ", ".join(names) if len(names) <= _FEW else "`mlberth algorithms NAME` lists them"
    action = f"Did you mean {near[0]}?" if near else ""
    return Fault(_where(name), "a value", f"one of those that there are ({known})", action)


def _text(value: Any) -> str:
    """Return the text that JSON has made a value of."""
    return value if isinstance(value, str) else json.dumps(value)


def _integer(one: Hyperparameter, value: Any) -> int:
    number = int(value) if isinstance(value, str) else value
    if isinstance(number, bool) or number != int(number):
        raise ValueError(number)
    return int(_in_range(one, int(number)))


def _continuous(one: Hyperparameter, value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return _in_range(one, float(value))


def _categorical(one: Hyperparameter, value: Any) -> str:
    return str(_chosen(one, _text(value).strip()))


def _free_text(one: Hyperparameter, value: Any) -> str:  # noqa: ARG001 - one shape for all kinds
    return _text(value)


def _list(one: Hyperparameter, value: Any) -> list[str]:
    words = value if isinstance(value, list) else _text(value).split(",")
    return [_chosen(one, _text(word).strip()) for word in words]


def _tuple(one: Hyperparameter, value: Any) -> tuple[int, ...]:
    numbers = ast.literal_eval(value) if isinstance(value, str) else value
    return tuple(_chosen(one, _whole(number)) for number in numbers)


def _nested(one: Hyperparameter, value: Any) -> list[list[int]]:
    lists = ast.literal_eval(value) if isinstance(value, str) else value
    return [[int(_in_range(one, _whole(number))) for number in numbers] for numbers in lists]


def _whole(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(number)
    return number


def _chosen(one: Hyperparameter, value: Any) -> Any:
    if one.choices and value not in one.choices:
        raise ValueError(value)
    return value


def _in_range(one: Hyperparameter, number: float) -> float:
    if math.isnan(number):
        raise ValueError(number)
    if one.range:
        left, low, high, right = limits(one.range)
        above = number > low or (left == "[" and number == low)
        below = number < high or (right == "]" and number == high)
        if not (above and below):
            raise ValueError(number)
    return number


def limits(text: str) -> tuple[str, float, float, str]:
    """Return the brackets and ends of a range such as `(0, 1]`."""
    match = _RANGE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r}; expected a range such as (0, 1]")
    left, low, high, right = match.groups()
    return left, float(low), float(high), right


def _number_expected(what: str) -> Callable[[Hyperparameter], str]:
    def expected(one: Hyperparameter) -> str:
        words = f"{what} in {one.range}" if one.range else what
        return f"{words}, or {_listed(one.choices)}" if one.choices else words

    return expected


def _listed(choices: Iterable[Any]) -> str:
    return ", ".join(map(str, choices))


_EXPECTED: dict[str, Callable[[Hyperparameter], str]] = {
    INTEGER: _number_expected("a whole number"),
    CONTINUOUS: _number_expected("a number"),
    CATEGORICAL: lambda one: f"one of {_listed(one.choices)}" if one.choices else "text",
    TEXT: lambda _: "text",
    LIST: lambda one: (
        f"words with commas between them, of {_listed(one.choices)}"
        if one.choices
        else "words with commas between them"
    ),
    TUPLE: lambda one: (
        f"numbers in parentheses, such as (1, 0), of {_listed(one.choices)}"
        if one.choices
        else "numbers in parentheses, such as (1, 0)"
    ),
    NESTED: lambda one: (
        f"lists of whole numbers {f'in {one.range} ' if one.range else ''}in a list, such as [[0, 2], [1, 3]]"
    ),
}
_PARSERS: dict[str, Callable[[Hyperparameter, Any], Any]] = {
    INTEGER: _integer,
    CONTINUOUS: _continuous,
    CATEGORICAL: _categorical,
    TEXT: _free_text,
    LIST: _list,
    TUPLE: _tuple,
    NESTED: _nested,
}
