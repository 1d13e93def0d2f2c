"""An alarm's state by the values of its periods; a pure function of them.

Source: "Configuring how CloudWatch alarms treat missing data" of the CloudWatch User Guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlberth_local.alarms import times
from mlberth_local.alarms.definition import Definition

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA_PERIODS = 2
"""How many more periods than EvaluationPeriods are looked at, so that a late value is no missing one."""
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
    "LessThanLowerOrGreaterThanUpperThreshold": "less than the lower or greater than the upper",
    "LessThanLowerThreshold": "less than the lower",
    "GreaterThanUpperThreshold": "greater than the upper",
}


@dataclass(frozen=True)
class Datapoint:
    """The value of one period, and the limits that it is compared with."""

    start: float
    """Seconds since the epoch."""
    value: float | None
    """None if it is missing."""
    lower: float
    upper: float


@dataclass(frozen=True)
class Verdict:
    """A state, why it is so, and the values it follows from."""

    state: str
    reason: str
    data: dict[str, Any]


def judge(definition: Definition, points: Sequence[Datapoint], current: str) -> Verdict:
    """Return the state by the periods of the evaluation range, oldest first.

    `current` is the state now. Of a range with enough values the newest are used; of one with fewer, all of
    them, and missing ones are treated as TreatMissingData says.
    """
    wanted = definition["EvaluationPeriods"]
    to_alarm = definition.get("DatapointsToAlarm") or wanted
    treated = definition.get("TreatMissingData") or "missing"
    known = [point for point in points if point.value is not None][-wanted:]
    breaching = [point for point in known if breaches(definition["ComparisonOperator"], point)]
    missing = wanted - len(known)
    if len(breaching) >= to_alarm:
        state = ALARM
    elif not missing:
        state = OK
    elif treated == "breaching":
        state = ALARM if len(breaching) + missing >= to_alarm else OK
    elif treated == "notBreaching":
        state = OK
    elif not known:
        state = INSUFFICIENT_DATA if treated == "missing" else current
    elif len(breaching) < len(known):
        state = OK
    else:
        # All values there are breach, and too few are there. With `missing`, the first one must be so old
        # that it alone cannot be the beginning of what others would have ended.
        age = len(points) - next(number for number, point in enumerate(points) if point is known[0])
        state = ALARM if treated == "missing" and age >= to_alarm else current
    seen = _Seen(known, breaching, missing, treated)
    return Verdict(state, _reason(definition, state, seen), _data(definition, known))


@dataclass(frozen=True)
class _Seen:
    """The values that a verdict follows from."""

    known: Sequence[Datapoint]
    breaching: Sequence[Datapoint]
    missing: int
    treated: str

    @property
    def were_missing(self) -> str:
        return f"{_count(self.missing)} {'was' if self.missing == 1 else 'were'} unknown."

    @property
    def were_treated(self) -> str:
        word = "Breaching" if self.treated == "breaching" else "NonBreaching"
        verb = "was" if self.missing == 1 else "were"
        return f"{_count(self.missing, 'missing ')} {verb} treated as [{word}]"


def breaches(operator: str, point: Datapoint) -> bool:
    """Return whether a value that is not missing crosses its limits."""
    value = point.value
    assert value is not None
    if operator == "GreaterThanOrEqualToThreshold":
        return value >= point.upper
    if operator == "LessThanOrEqualToThreshold":
        return value <= point.lower
    low, high = value < point.lower, value > point.upper
    if operator in {"GreaterThanThreshold", "GreaterThanUpperThreshold"}:
        return high
    if operator in {"LessThanThreshold", "LessThanLowerThreshold"}:
        return low
    return low or high


def _reason(definition: Definition, state: str, seen: _Seen) -> str:
    known, filled = seen.known, seen.missing and seen.treated in {"breaching", "notBreaching"}
    if state == INSUFFICIENT_DATA:
        return f"Insufficient Data: {seen.were_missing}"
    if not known and not filled:
        return f"Unchanged: {seen.were_missing}"
    if not known:
        periods = f"{seen.missing} period{'' if seen.missing == 1 else 's'}"
        return f"Threshold Crossed: no datapoints were received for {periods} and {seen.were_treated}."
    shown = seen.breaching if state == ALARM and seen.breaching else known
    values = ", ".join(f"{point.value} ({times.in_reason(point.start)})" for point in shown[-5:])
    compared = _WORDS[definition["ComparisonOperator"]]
    limit = f"the threshold ({_limits(shown[-1])})"
    if state == ALARM:
        to_alarm = definition.get("DatapointsToAlarm") or definition["EvaluationPeriods"]
        text = (
            f"{len(seen.breaching)} out of the last {definition['EvaluationPeriods']} datapoints [{values}] "
            f"{'was' if len(seen.breaching) == 1 else 'were'} {compared} {limit} "
            f"(minimum {_count(to_alarm)} for OK -> ALARM transition)"
        )
    else:
        verb = "was" if len(known) == 1 else "were"
        text = f"{_count(len(known))} [{values}] {verb} not {compared} {limit}"
    return f"Threshold Crossed: {text}{f' and {seen.were_treated}' if filled else ''}."


def _count(number: int, kind: str = "") -> str:
    return f"{number} {kind}datapoint{'' if number == 1 else 's'}"


def _limits(point: Datapoint) -> str:
    return f"{point.upper}" if point.lower == point.upper else f"{point.lower}, {point.upper}"


def _data(definition: Definition, known: Sequence[Datapoint]) -> dict[str, Any]:
    """Return the values of a verdict in the form of StateReasonData."""
    data: dict[str, Any] = {"version": "1.0"}
    if known:
        data["startDate"] = times.in_data(known[0].start)
    for name in ("Statistic", "ExtendedStatistic", "Unit", "Period", "Threshold"):
        if (value := definition.get(name)) is not None:
            data[name[0].lower() + name[1:]] = value
    data["recentDatapoints"] = [point.value for point in known]
    data["evaluatedDatapoints"] = [
        {"timestamp": times.in_data(point.start), "value": point.value} for point in reversed(known)
    ]
    return data
