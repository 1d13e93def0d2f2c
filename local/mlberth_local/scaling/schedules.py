"""Schedules: `at(…)`, `rate(…)` and `cron(…)`, and the time after a moment at which each is due."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mlberth_local.scaling import cron
from mlberth_local.scaling.cron import Cron, ScheduleError

_FORM = re.compile(r"\s*(at|rate|cron)\((.*)\)\s*")
_RATE = re.compile(r"(\d+) (minute|minutes|hour|hours|day|days)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Schedule:
    """One of the three. Times are seconds since the epoch."""

    zone: ZoneInfo
    at: float | None = None
    every: float | None = None
    cron: Cron | None = None

    def after(self, moment: float, begin: float) -> float | None:
        """Return the first time after a moment; `begin` is when a rate began. None if there is none."""
        if self.at is not None:
            return self.at if self.at > moment else None
        if self.every is not None:
            return begin + max(0, (moment - begin) // self.every + 1) * self.every
        assert self.cron is not None
        local = datetime.fromtimestamp(moment, self.zone).replace(tzinfo=None)
        for found in self.cron.after(local):
            aware = found.replace(tzinfo=self.zone)
            utc = aware.astimezone(timezone.utc)
            # An hour that is left out when the clocks go forward has no time.
            if utc.astimezone(self.zone).replace(tzinfo=None) == found and utc.timestamp() > moment:
                return utc.timestamp()
        return None


def parse(text: str, zone_name: str = "UTC") -> Schedule:
    """Return the schedule of an expression. Raises ScheduleError."""
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"found the time zone {zone_name!r}; expected one like Europe/Berlin") from None
    form = _FORM.fullmatch(text)
    if form is None:
        raise ScheduleError(f"found {text!r}; expected at(…), rate(…) or cron(…)")
    kind, inner = form.groups()
    if kind == "cron":
        return Schedule(zone, cron=cron.parse(inner))
    if kind == "rate":
        rate = _RATE.fullmatch(inner.strip())
        if rate is None or not int(rate[1]):
            raise ScheduleError(f"found {text!r}; expected rate(5 minutes), of minutes, hours or days")
        return Schedule(zone, every=int(rate[1]) * _SECONDS[rate[2].rstrip("s")])
    try:
        moment = datetime.strptime(inner.strip(), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        raise ScheduleError(f"found {text!r}; expected at(2026-11-28T18:00:00)") from None
    return Schedule(zone, at=moment.timestamp())
