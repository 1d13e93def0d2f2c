"""Whether two answers say the same: byte for byte, or number for number within a tolerance."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_MISSING = "\0missing"
"""In place of a value that only the other answer has."""


@dataclass(frozen=True)
class Difference:
    """How far two answers are apart."""

    is_equal: bool
    """Byte for byte."""
    is_close: bool
    """Equal but for numbers, and those within the tolerance."""
    largest: float | None
    """Of the differences of numbers at the same place; None if the answers are of different shapes."""


def compare(first: bytes, second: bytes, media_type: str, tolerance: float) -> Difference:
    """Compare two bodies of a media type; what is neither JSON nor CSV has no numbers.

    Two numbers are close if they differ by at most `tolerance`, or by that part of the larger one.
    """
    if first == second:
        return Difference(True, True, 0.0)
    pairs = list(_pairs(_values(first, media_type), _values(second, media_type)))
    if not all((_is_number(one) and _is_number(other)) or one == other for one, other in pairs):
        return Difference(False, False, None)
    numbers = [(float(one), float(other)) for one, other in pairs if _is_number(one)]
    close = all(
        math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
        or (math.isnan(one) and math.isnan(other))
        for one, other in numbers
    )
    gaps = (abs(one - other) for one, other in numbers if one != other)
    return Difference(False, close, max((gap for gap in gaps if not math.isnan(gap)), default=0.0))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _values(body: bytes, media_type: str) -> Any:
    kind = media_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            return json.loads(body)
        if kind in ("application/jsonlines", "application/x-jsonlines"):
            return [json.loads(line) for line in body.split(b"\n") if line.strip()]
        if kind == "text/csv":
            # LF, CRLF and CR are the ends of lines; a cell may hold what else Unicode takes for one.
            lines = io.StringIO(body.decode(), newline=None)
            return [[_cell(cell) for cell in line.split(",")] for line in lines]
    except ValueError:
        pass
    return body


def _cell(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _pairs(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the values at the same places of two structures; of different shapes, what differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in (*one, *(key for key in other if key not in one)):
            yield from _pairs(one.get(key, _MISSING), other.get(key, _MISSING))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for first, second in zip(one, other, strict=True):
            yield from _pairs(first, second)
    else:
        yield one, other
