"""The part of JSONPath that InputFilter and OutputFilter have.

    $   .name   ['name', …]   [number, …]   [start:end]   .* or [*]

Several names make an object of these members, several numbers a list. A row of CSV is a list, and what is
chosen of it is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

LONGEST = 63
Step = Callable[[Any], Any]
_DOTTED = re.compile(r"\.([A-Za-z_][\w-]*|\*)")
_NAMES = re.compile(r"\[\s*(?:'[^']*'|\"[^\"]*\")(?:\s*,\s*(?:'[^']*'|\"[^\"]*\"))*\s*\]")
_NUMBERS = re.compile(r"\[\s*-?\d+(?:\s*,\s*-?\d+)*\s*\]")
_SLICE = re.compile(r"\[\s*(-?\d*)\s*:\s*(-?\d*)\s*\]")
_ALL = re.compile(r"\[\s*\*\s*\]")


class JsonPathError(Exception):
    """The path is not one, or leads to nothing in a record."""


class JsonPath:
    """A path, ready to be followed."""

    def __init__(self, text: str) -> None:
        """Parse a path. Raises JsonPathError."""
        self.text = text or "$"
        if len(self.text) > LONGEST or not self.text.startswith("$"):
            raise JsonPathError(f"{text!r}: expected at most {LONGEST} characters that begin with $")
        self._steps: list[Step] = []
        self.has_names = False
        """Whether it names members, which the rows of CSV do not have."""
        position = 1
        while position < len(self.text):
            position = self._parse(position)

    @property
    def is_root(self) -> bool:
        """Whether it leads to the whole record."""
        return not self._steps

    def _parse(self, position: int) -> int:
        for pattern, make in (
            (_DOTTED, self._dotted),
            (_NAMES, self._names),
            (_NUMBERS, self._numbers),
            (_SLICE, self._slice),
            (_ALL, self._everything),
        ):
            if match := pattern.match(self.text, position):
                self._steps.append(make(match))
                return match.end()
        raise JsonPathError(f"{self.text!r}: not understood from {self.text[position:]!r} on")

    def _dotted(self, match: re.Match[str]) -> Step:
        if match[1] == "*":
            return self._everything(match)
        self.has_names = True
        return lambda value: self._members(value, [match[1]])

    def _names(self, match: re.Match[str]) -> Step:
        self.has_names = True
        names = [single or double for single, double in re.findall(r"'([^']*)'|\"([^\"]*)\"", match[0])]
        return lambda value: self._members(value, names)

    def _members(self, value: Any, names: list[str]) -> Any:
        missing = [name for name in names if not isinstance(value, dict) or name not in value]
        if missing:
            raise JsonPathError(f"{self.text}: the record has no {', '.join(map(repr, missing))}")
        return value[names[0]] if len(names) == 1 else {name: value[name] for name in names}

    def _numbers(self, match: re.Match[str]) -> Step:
        numbers = [int(number) for number in re.findall(r"-?\d+", match[0])]
        return lambda value: self._items(value, numbers)

    def _items(self, value: Any, numbers: list[int]) -> Any:
        if not isinstance(value, list):
            raise JsonPathError(f"{self.text}: expected a list, found {type(value).__name__}")
        outside = [number for number in numbers if not -len(value) <= number < len(value)]
        if outside:
            found = ", ".join(map(str, outside))
            raise JsonPathError(f"{self.text}: index {found} is out of range for {len(value)} items")
        return value[numbers[0]] if len(numbers) == 1 else [value[number] for number in numbers]

    def _slice(self, match: re.Match[str]) -> Step:
        part = slice(*(int(bound) if bound else None for bound in match.groups()))

        def step(value: Any) -> Any:
            if not isinstance(value, list):
                raise JsonPathError(f"{self.text}: expected a list, found {type(value).__name__}")
            return value[part]

        return step

    def _everything(self, match: re.Match[str]) -> Step:  # noqa: ARG002 - as the others
        return lambda value: list(value.values()) if isinstance(value, dict) else value

    def follow(self, record: Any) -> Any:
        """Return the part of a record that the path leads to. Raises JsonPathError."""
        for step in self._steps:
            record = step(record)
        return record

    def follow_row(self, row: list[str]) -> list[str]:
        """Return the columns of a row that the path leads to. Raises JsonPathError."""
        found = self.follow(row)
        return found if isinstance(found, list) else [found]
