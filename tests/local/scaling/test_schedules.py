"""Tests of schedules, with the examples of the service's documentation."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest

from mlberth_local.scaling import cron
from mlberth_local.scaling.cron import ScheduleError
from mlberth_local.scaling.schedules import parse

NOW = datetime(2026, 11, 28, 16, 30, 20)  # a Saturday


def at(text: str) -> float:
    """Return a time in UTC as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("0 10 * * ? *", ["2026-11-29 10:00", "2026-11-30 10:00"]),
        ("15 12 * * ? *", ["2026-11-29 12:15"]),
        ("0 18 ? * MON-FRI *", ["2026-11-30 18:00", "2026-12-01 18:00"]),
        ("0 8 1 * ? *", ["2026-12-01 08:00", "2027-01-01 08:00"]),
        ("0/15 * * * ? *", ["2026-11-28 16:45", "2026-11-28 17:00"]),
        ("0/10 * ? * MON-FRI *", ["2026-11-30 00:00", "2026-11-30 00:10"]),
        ("0/5 8-17 ? * MON-FRI *", ["2026-11-30 08:00", "2026-11-30 08:05"]),
        ("0 9 ? * 2#1 *", ["2026-12-07 09:00", "2027-01-04 09:00"]),
        ("0 0 L * ? *", ["2026-11-30 00:00", "2026-12-31 00:00"]),
        ("0 0 ? * 6L *", ["2026-12-25 00:00", "2027-01-29 00:00"]),
        ("0 0 ? * L *", ["2026-12-05 00:00"]),
        ("0 0 15W * ? 2027", ["2027-01-15 00:00", "2027-02-15 00:00", "2027-03-15 00:00"]),
        ("0 0 1W 8 ? *", ["2027-08-02 00:00"]),
        ("0 0 31W 1 ? *", ["2027-01-29 00:00"]),
        ("30 1,13 29 2 ? *", ["2028-02-29 01:30", "2028-02-29 13:30", "2032-02-29 01:30"]),
        ("0 0 1 1 ? 2020", []),
    ],
)
def test_cron(expression: str, times: list[str]) -> None:
    found = cron.parse(expression).after(NOW)
    assert [str(next(found, None))[:16] for _ in times or [""]] == (times or ["None"])


@pytest.mark.parametrize("seed", range(4))
def test_cron_against_a_look_at_every_minute(seed: int) -> None:
    """The times found are the minutes of two weeks whose parts are all in the fields."""
    source = random.Random(seed)
    minutes, hours = sorted(source.sample(range(60), 3)), sorted(source.sample(range(24), 2))
    weekdays = sorted(source.sample(range(1, 8), 2))
    text = f"{','.join(map(str, minutes))} {'-'.join(map(str, hours))} ? * {','.join(map(str, weekdays))} *"
    end = NOW + timedelta(days=14)
    every = [NOW.replace(second=0) + timedelta(minutes=step) for step in range(1, 14 * 1440 + 1)]
    expected = [
        moment
        for moment in every
        if moment.minute in minutes
        and hours[0] <= moment.hour <= hours[1]
        and moment.isoweekday() % 7 + 1 in weekdays
        and moment <= end
    ]
    found = []
    for moment in cron.parse(text).after(NOW):
        if moment > end:
            break
        found.append(moment)
    assert found == expected


def test_rates_and_times() -> None:
    begin = at("2026-11-28T12:00:00")
    assert parse("rate(5 minutes)").after(begin + 301, begin) == begin + 600
    assert parse("rate(1 hour)").after(begin, begin) == begin + 3600
    assert parse("rate(1 day)").after(begin - 10, begin) == begin
    once = parse("at(2026-12-01T08:00:00)", "Europe/Berlin")
    assert once.after(begin, begin) == at("2026-12-01T07:00:00")
    assert once.after(at("2026-12-01T07:00:00"), begin) is None


def test_clocks_that_go_forward_and_back() -> None:
    """02:30 is left out on 28 March 2027 in Berlin, and is there twice on 31 October: it counts once."""
    daily = parse("cron(30 2 * * ? *)", "Europe/Berlin")
    spring = daily.after(at("2027-03-27T12:00:00"), 0)
    assert spring == at("2027-03-29T00:30:00")
    autumn = daily.after(at("2027-10-30T12:00:00"), 0)
    assert autumn == at("2027-10-31T00:30:00")
    assert daily.after(autumn, 0) == at("2027-11-01T01:30:00")


@pytest.mark.parametrize(
    ("text", "zone", "words"),
    [
        ("every day", "UTC", "expected at"),
        ("rate(0 minutes)", "UTC", r"expected rate\(5 minutes\)"),
        ("rate(5 seconds)", "UTC", r"expected rate\(5 minutes\)"),
        ("at(tomorrow)", "UTC", r"expected at\(2026-11-28T18:00:00\)"),
        ("cron(0 10 * * *)", "UTC", "found 5 fields"),
        ("cron(60 10 * * ? *)", "UTC", "minutes: found '60'; expected 0 to 59"),
        ("cron(0 10 1 * MON *)", "UTC", "one of day of month and day of week must be"),
        ("cron(0 10-8 * * ? *)", "UTC", "ends before it begins"),
        ("cron(0/0 10 * * ? *)", "UTC", "found the step '0'"),
        ("cron(0 10 * FOO ? *)", "UTC", "month: found 'FOO'"),
        ("cron(0 10 xW * ? *)", "UTC", "day of month: found 'X'"),
        ("rate(1 day)", "Mars/Olympus", "time zone 'Mars/Olympus'"),
        ("rate(1 day)", "../etc", "time zone"),
    ],
)
def test_faults(text: str, zone: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        parse(text, zone)
