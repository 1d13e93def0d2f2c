"""Times as texts and as parts of a date; all in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone


def moment(time: float) -> datetime:
    """Return seconds since the epoch as a date and time."""
    return datetime.fromtimestamp(time, timezone.utc)


PARTS: Mapping[str, Callable[[float], float]] = {
    "EPOCH": float,
    "MINUTE": lambda time: float(moment(time).minute),
    "HOUR": lambda time: float(moment(time).hour),
    "DAY": lambda time: float(moment(time).isoweekday()),
    "DATE": lambda time: float(moment(time).day),
    "MONTH": lambda time: float(moment(time).month),
    "YEAR": lambda time: float(moment(time).year),
}
"""The functions of metric math that return a part of the time of each point."""


def in_reason(time: float) -> str:
    """Return a time as the reason of an alarm's state has it: `28/11/26 16:00:00`."""
    return moment(time).strftime("%d/%m/%y %H:%M:%S")


def in_data(time: float) -> str:
    """Return a time as alarms' messages have it: `2026-11-28T16:00:00.000+0000`."""
    return moment(time).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(time % 1 * 1000):03d}+0000"
