"""Metric math: expressions over time series. A point is left out if there is no value for it.

Source: "Using math expressions with CloudWatch metrics" of the CloudWatch User Guide.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean, pstdev

from mlberth_local.alarms import times
from mlberth_local.alarms.expressions import (
    Array,
    Binary,
    Call,
    ExpressionError,
    Name,
    Node,
    Number,
    Text,
    nodes,
)

Points = dict[float, float]
"""Time, in seconds since the epoch, to value; oldest first."""
Value = float | Points | list[Points] | str

_OPERATORS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "&&": lambda left, right: bool(left) and bool(right),
    "AND": lambda left, right: bool(left) and bool(right),
    "||": lambda left, right: bool(left) or bool(right),
    "OR": lambda left, right: bool(left) or bool(right),
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OF_SEVERAL: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "AVG": fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": pstdev,
}
_OF_EACH: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_LONGEST_ARGUMENTS = {"IF": 3, "FILL": 2, "ANOMALY_DETECTION_BAND": 2}
FUNCTIONS = (
    *_OF_SEVERAL,
    *_OF_EACH,
    *times.PARTS,
    *("RUNNING_SUM", "DIFF", "DIFF_TIME", "RATE", "PERIOD", "DATAPOINT_COUNT", "METRIC_COUNT"),
    *("TIME_SERIES", "FILL", "IF", "METRICS", "ANOMALY_DETECTION_BAND"),
)


@dataclass(frozen=True)
class Scope:
    """What an expression is evaluated with."""

    lookup: Callable[[str], Points | list[Points] | float]
    """Returns the values of another query."""
    metrics: Sequence[str]
    """The ids of the queries that are metrics."""
    grid: Sequence[float]
    """The starts of all periods of the range."""
    period: float
    """In seconds."""
    history: Callable[[str], list[float]]
    """Returns the values of a metric before the range."""


def check(tree: Node) -> None:
    """Raise ExpressionError if a function is not here, or has too many arguments or none."""
    for node in nodes(tree):
        if isinstance(node, Call):
            if node.function not in FUNCTIONS:
                text = f"The function {node.function} is not carried out here; these are: "
                raise ExpressionError(text + ", ".join(FUNCTIONS) + ".")
            most = _LONGEST_ARGUMENTS.get(node.function, 1)
            least = {"METRICS": 0, "IF": 2, "FILL": 2}.get(node.function, 1)
            if not least <= len(node.arguments) <= most:
                raise ExpressionError(f"{node.function}: found {len(node.arguments)} arguments.")


def evaluate(tree: Node, scope: Scope) -> Value:
    """Return the value of an expression. Raises ExpressionError."""
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Text):
        return tree.value
    if isinstance(tree, Name):
        return tree.name if tree.name in {"REPEAT", "LINEAR"} else scope.lookup(tree.name)
    if isinstance(tree, Array):
        return [_points(evaluate(item, scope), "an array") for item in tree.items]
    if isinstance(tree, Binary):
        return _binary(tree.operator, evaluate(tree.left, scope), evaluate(tree.right, scope))
    return _call(tree, scope)


def _binary(sign: str, left: Value, right: Value) -> Value:
    function = _OPERATORS[sign]
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionError(f"Found a text beside {sign}; expected numbers or time series.")
    if isinstance(left, list) or isinstance(right, list):
        lefts = left if isinstance(left, list) else [left] * len(right)  # type: ignore[arg-type]
        rights = right if isinstance(right, list) else [right] * len(lefts)
        if len(lefts) != len(rights):
            raise ExpressionError(
                f"Found arrays of {len(lefts)} and {len(rights)} time series beside {sign}."
            )
        return [_points(_binary(sign, a, b), sign) for a, b in zip(lefts, rights, strict=True)]
    if isinstance(left, float) and isinstance(right, float):
        result = _number(function, left, right)
        return math.nan if result is None else result
    at = [time for time in _times(left, right) if _has(left, time) and _has(right, time)]
    found = {time: _number(function, _at(left, time), _at(right, time)) for time in at}
    return {time: value for time, value in found.items() if value is not None}


def _number(function: Callable[..., float], *values: float) -> float | None:
    """Return a result; None for one that is no number, such as that of a division by 0."""
    try:
        result = float(function(*values))
    except (ArithmeticError, ValueError, TypeError):
        return None
    return result if math.isfinite(result) else None


def _times(*values: float | Points) -> list[float]:
    return sorted({time for value in values if isinstance(value, dict) for time in value})


def _has(value: float | Points, time: float) -> bool:
    return not isinstance(value, dict) or time in value


def _at(value: float | Points, time: float) -> float:
    return value[time] if isinstance(value, dict) else value


def _points(value: Value, place: str) -> Points:
    if not isinstance(value, dict):
        raise ExpressionError(f"{place}: expected one time series.")
    return value


def _plain(value: Value, place: str) -> float | Points:
    if isinstance(value, list | str):
        raise ExpressionError(f"{place}: expected a number or one time series.")
    return value


def _scalar(value: Value) -> float:
    if not isinstance(value, float):
        raise ExpressionError("TIME_SERIES: expected a number.")
    return value


def _call(call: Call, scope: Scope) -> Value:
    name = call.function
    if name in _OF_NAMES:
        return _OF_NAMES[name](call, scope)
    values = [evaluate(argument, scope) for argument in call.arguments]
    first = values[0]
    if name in _WITH_SCOPE:
        return _WITH_SCOPE[name](values, scope)
    if name in _OF_SEVERAL:
        return _reduce(_OF_SEVERAL[name], first, name)
    if isinstance(first, list):
        return [_of_points(name, one) for one in first]
    if isinstance(first, float) and name in _OF_EACH:
        result = _number(_OF_EACH[name], first)
        return math.nan if result is None else result
    return _of_points(name, _points(first, name))


def _all_metrics(call: Call, scope: Scope) -> list[Points]:
    """Return the metrics whose ids contain the text of `METRICS("text")`."""
    contained = call.arguments[0].value if call.arguments and isinstance(call.arguments[0], Text) else ""
    return [_points(scope.lookup(metric), metric) for metric in scope.metrics if contained in metric]


def _reduce(function: Callable[[Sequence[float]], float], value: Value, name: str) -> float | Points:
    """Return one number of a series, or one series of several."""
    if isinstance(value, list):
        columns = {time: [one[time] for one in value if time in one] for time in _times(*value)}
        return {time: float(function(column)) for time, column in columns.items()}
    points = _plain(value, name)
    if not isinstance(points, dict):
        return points
    return float(function(list(points.values()))) if points else math.nan


def _of_points(name: str, points: Points) -> Points:
    """Return a series of the same length, or of one point less."""
    if name in _OF_EACH:
        each = {time: _number(_OF_EACH[name], value) for time, value in points.items()}
        return {time: value for time, value in each.items() if value is not None}
    if name in times.PARTS:
        return {time: times.PARTS[name](time) for time in points}
    if name == "RUNNING_SUM":
        return dict(zip(points, accumulate(points.values()), strict=True))
    steps = pairwise(points.items())
    if name == "DIFF":
        return {time: value - before for (_, before), (time, value) in steps}
    if name == "DIFF_TIME":
        return {time: time - earlier for (earlier, _), (time, _) in steps}
    return {time: (value - before) / (time - earlier) for (earlier, before), (time, value) in steps}


def _choose(arguments: list[Value], _: Scope) -> float | Points:
    """Return `IF(condition, value, otherwise)`; without the last one, points that do not fulfil it go."""
    values = [_plain(value, "IF") for value in arguments]
    condition, chosen = values[0], values[1]
    other = values[2] if len(values) > 2 else {}
    if not isinstance(condition, dict):
        return {} if math.isnan(condition) else chosen if condition else other
    found = {}
    for time, holds in condition.items():
        branch = chosen if holds else other
        if _has(branch, time):
            found[time] = _at(branch, time)
    return found


def _fill(arguments: list[Value], scope: Scope) -> Points:
    points, filling, grid = _points(arguments[0], "FILL"), arguments[1], scope.grid
    if filling in {"REPEAT", "LINEAR"}:
        known = list(points.items())
        return {time: _between(known, time, linear=filling == "LINEAR") for time in grid if known}
    value = _plain(filling, "FILL")
    filled = {time: _at(value, time) for time in grid if _has(value, time)}
    return dict(sorted({**filled, **points}.items()))


def _between(known: list[tuple[float, float]], time: float, *, linear: bool) -> float:
    """Return the value at a time: the last one before it, or that on the line to the next one."""
    before = [point for point in known if point[0] <= time]
    after = [point for point in known if point[0] > time]
    if not before:
        return after[0][1]
    (start, low) = before[-1]
    if not linear or start == time or not after:
        return low
    end, high = after[0]
    return low + (high - low) * (time - start) / (end - start)


def _band(call: Call, scope: Scope) -> list[Points]:
    """Return the lower and the upper limit: the mean of earlier values, and some standard deviations."""
    metric = call.arguments[0]
    if not isinstance(metric, Name):
        raise ExpressionError("ANOMALY_DETECTION_BAND: expected the id of a metric first.")
    width = evaluate(call.arguments[1], scope) if len(call.arguments) > 1 else 2.0
    if not isinstance(width, float):
        raise ExpressionError("ANOMALY_DETECTION_BAND: expected a number of standard deviations.")
    earlier = scope.history(metric.name)
    if len(earlier) < 2:
        return [{}, {}]
    mean, spread = fmean(earlier), width * pstdev(earlier)
    return [dict.fromkeys(scope.grid, mean - spread), dict.fromkeys(scope.grid, mean + spread)]


_OF_NAMES: Mapping[str, Callable[[Call, Scope], Value]] = {
    "METRICS": _all_metrics,
    "ANOMALY_DETECTION_BAND": _band,
}
_WITH_SCOPE: Mapping[str, Callable[[list[Value], Scope], Value]] = {
    "IF": _choose,
    "FILL": _fill,
    "METRIC_COUNT": lambda values, _: float(len(values[0])) if isinstance(values[0], list) else 1.0,
    "DATAPOINT_COUNT": lambda values, _: float(len(_points(values[0], "DATAPOINT_COUNT"))),
    "TIME_SERIES": lambda values, scope: dict.fromkeys(scope.grid, _scalar(values[0])),
    "PERIOD": lambda _, scope: scope.period,
}
