"""Cron expressions of the service: minutes, hours, day of month, month, day of week (1 is Sunday), year."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_LONGEST_SEARCH_DAYS = 366 * 29
"""29 February comes after eight years at the latest, on one day of the week after 28, but for 2100."""


class ScheduleError(ValueError):
    """A schedule that is not valid; the message is for people."""


@dataclass(frozen=True)
class Cron:
    """When something is to happen, in a local time."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    years: frozenset[int]
    is_day: Callable[[date], bool]

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after a moment, both without a time zone."""
        for offset in range(_LONGEST_SEARCH_DAYS):
            day = moment.date() + timedelta(days=offset)
            if day.year > max(self.years):
                return
            if day.year in self.years and day.month in self.months and self.is_day(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        if (found := datetime.combine(day, time(hour, minute))) > moment:
                            yield found


def parse(text: str) -> Cron:
    """Return the schedule of the six fields of an expression. Raises ScheduleError."""
    fields = text.upper().split()
    if len(fields) != 6:
        raise ScheduleError(
            f"found {len(fields)} fields; expected minutes, hours, day of month, month, day of week, year"
        )
    minutes, hours, days, months, weekdays, years = fields
    if "?" not in {days, weekdays} and "*" not in {days, weekdays}:
        raise ScheduleError("one of day of month and day of week must be ?")
    of_month, of_week = _days_of_month(days), _days_of_week(weekdays)
    return Cron(
        _values(minutes, "minutes", 0, 59),
        _values(hours, "hours", 0, 23),
        _values(months, "month", 1, 12, _MONTHS),
        _values(years, "year", _FIRST_YEAR, _LAST_YEAR),
        lambda day: of_month(day) and of_week(day),
    )


def _values(field: str, name: str, least: int, most: int, words: tuple[str, ...] = ()) -> frozenset[int]:
    """Return the numbers of a field: `*`, `5`, `1-5`, `0/15`, `MON-FRI`, and lists of them."""

    def number(text: str) -> int:
        value = words.index(text) + 1 if text in words else int(text) if text.isdecimal() else -1
        if not least <= value <= most:
            raise ScheduleError(f"{name}: found {text!r}; expected {least} to {most}")
        return value

    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if step and (not step.isdecimal() or not int(step)):
            raise ScheduleError(f"{name}: found the step {step!r}; expected a number above 0")
        low, high = (least, most) if span == "*" else (number(first), number(last or first))
        if step and not last:
            high = most
        if low > high:
            raise ScheduleError(f"{name}: found {span!r}, which ends before it begins")
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _days_of_month(field: str) -> Callable[[date], bool]:
    if field == "?":
        return lambda _: True
    if field == "L":
        return lambda day: day.day == _length(day)
    if field.endswith("W"):
        [wanted] = _values(field[:-1], "day of month", 1, 31)
        return lambda day: day == _nearest_weekday(day, wanted)
    found = _values(field, "day of month", 1, 31)
    return lambda day: day.day in found


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> date | None:
    """Return the day from Monday to Friday of the same month that is nearest to a day of the month."""
    if wanted > _length(day):
        return None
    target = day.replace(day=wanted)
    if target.weekday() == calendar.SATURDAY:
        return target - timedelta(days=1) if wanted > 1 else target + timedelta(days=2)
    if target.weekday() == calendar.SUNDAY:
        return target + timedelta(days=1) if wanted < _length(day) else target - timedelta(days=2)
    return target


def _days_of_week(field: str) -> Callable[[date], bool]:
    if field == "?":
        return lambda _: True
    if field == "L":
        return lambda day: _number(day) == 7
    if field.endswith("L"):
        [last] = _values(field[:-1], "day of week", 1, 7, _DAYS)
        return lambda day: _number(day) == last and day.day + 7 > _length(day)
    if "#" in field:
        weekday, _, count = field.partition("#")
        [wanted], [which] = _values(weekday, "day of week", 1, 7, _DAYS), _values(count, "day of week", 1, 5)
        return lambda day: _number(day) == wanted and (day.day + 6) // 7 == which
    found = _values(field, "day of week", 1, 7, _DAYS)
    return lambda day: _number(day) in found


def _number(day: date) -> int:
    """Return the day of the week: 1 is Sunday."""
    return day.isoweekday() % 7 + 1
