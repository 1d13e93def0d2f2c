"""Traffic patterns: the stages of a load test, each with a number of users.

A user sends a request, waits for its answer, and sends the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_USERS = 256
_DOUBLINGS = 6
_STEPS_OF_A_PHASE = 10
"""At most; new users of a phase come at the beginning of a step."""
_SHORTEST_STEP = 1.0
_PHASES, _STAIRS = "PHASES", "STAIRS"


@dataclass(frozen=True)
class Stage:
    """A part of a load test."""

    users: int
    seconds: float


def doubling(seconds: float, most: int = MOST_USERS) -> list[Stage]:
    """Return the stages of a test whose request has no pattern: 1, 2, 4, … 32 users, at most `most`."""
    return [Stage(2**power, seconds) for power in range(_DOUBLINGS) if 2**power <= most]


def stages(pattern: Mapping[str, Any]) -> list[Stage]:
    """Return the stages of a valid TrafficPattern."""
    if pattern["TrafficType"] == _STAIRS:
        stairs = pattern["Stairs"]
        return [
            Stage(number * stairs["UsersPerStep"], float(stairs["DurationInSeconds"]))
            for number in range(1, stairs["NumberOfSteps"] + 1)
        ]
    return [stage for phase in pattern["Phases"] for stage in _steps(phase)]


def _steps(phase: Mapping[str, int]) -> Iterator[Stage]:
    users, rate, seconds = (
        phase["InitialNumberOfUsers"],
        phase.get("SpawnRate") or 0,
        phase["DurationInSeconds"],
    )
    if not rate:
        yield Stage(users, float(seconds))
        return
    count = max(1, int(seconds / max(60 / rate, seconds / _STEPS_OF_A_PHASE, _SHORTEST_STEP)))
    step = seconds / count
    for number in range(count):
        yield Stage(users + int(rate * number * step / 60), step)


def faults(pattern: Mapping[str, Any], longest: int) -> Iterator[str]:
    """Yield what is wrong with a TrafficPattern that may take `longest` seconds."""
    where = "InputConfig.TrafficPattern"
    kind = pattern.get("TrafficType")
    if kind is None:
        yield f"{where}.TrafficType is required"
        return
    wanted, other = ("Stairs", "Phases") if kind == _STAIRS else ("Phases", "Stairs")
    if pattern.get(other):
        yield f"{where}.{other} has no place beside TrafficType {kind}"
    if not pattern.get(wanted):
        yield f"{where}.{wanted} is required with TrafficType {kind}"
        return
    if kind == _STAIRS:
        missing = list(_missing(f"{where}.Stairs", pattern["Stairs"], "NumberOfSteps", "UsersPerStep"))
    else:
        missing = [
            fault
            for number, phase in enumerate(pattern["Phases"], 1)
            for fault in _missing(f"{where}.Phases.{number}", phase, "InitialNumberOfUsers")
        ]
    yield from missing
    if missing:
        return
    found = stages(pattern)
    seconds, users = sum(one.seconds for one in found), max(one.users for one in found)
    if seconds > longest:
        yield f"{where} takes {seconds:g} s, which is more than JobDurationInSeconds, {longest}"
    if users > MOST_USERS:
        yield f"{where} has {users} users at once; at most {MOST_USERS} are possible"


def _missing(where: str, given: Mapping[str, Any], *members: str) -> Iterator[str]:
    for member in (*members, "DurationInSeconds"):
        if given.get(member) is None:
            yield f"{where}.{member} is required"
