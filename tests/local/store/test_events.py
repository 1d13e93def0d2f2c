"""Tests of the table of events."""

from __future__ import annotations

from pathlib import Path

from mlberth_local.store.database import Database
from mlberth_local.store.events import KEPT_SECONDS, Event, EventQuery, Events


def test_pages_in_both_orders(tmp_path: Path) -> None:
    events = Events(Database(tmp_path / "db"))
    for number in range(5):
        events.add(Event("k", "n", float(number // 2), "t", f"event {number}", {"number": number}))
    events.add(Event("k", "other", 1.0, "t", "event"))
    for descending in (False, True):
        found, after = [], None
        while True:
            page, after = events.list(EventQuery("k", "n", descending=descending, limit=2, after=after))
            found += [event.data["number"] for event in page]
            if after is None:
                break
        assert found == sorted(range(5), reverse=descending)


def test_an_event_is_there_once(tmp_path: Path) -> None:
    """A step that is repeated after a kill adds no second one."""
    events = Events(Database(tmp_path / "db"))
    for _ in range(2):
        events.add(Event("k", "n", 1.0, "t", "event"))
    assert len(events.list(EventQuery("k"))[0]) == 1


def test_old_events_go(tmp_path: Path) -> None:
    events = Events(Database(tmp_path / "db"))
    events.add(Event("k", "n", 1.0, "t", "old"))
    events.add(Event("k", "n", 2.0 + KEPT_SECONDS, "t", "new"))
    assert [event.summary for event in events.list(EventQuery("k"))[0]] == ["new"]
