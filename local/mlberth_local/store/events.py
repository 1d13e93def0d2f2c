"""Events: what has happened to a resource, also after it is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlberth_local.store.database import Database

KEPT_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Event:
    """One event of a resource."""

    kind: str
    name: str
    time: float
    """Seconds since the epoch."""
    type: str
    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EventQuery:
    """Which events to list, in which order, and how many."""

    kind: str
    name: str = ""
    type: str = ""
    since: float = 0.0
    until: float = 1e12
    descending: bool = True
    limit: int = 100
    after: tuple[float, int] | None = None
    """The time and the number of the last event of the page before."""


class Events:
    """The table of events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, event: Event) -> None:
        """Add an event; one that is there already, since a step was repeated, stays as it is."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO event (kind, name, time, type, summary, data)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (event.kind, event.name, event.time, event.type, event.summary, json.dumps(event.data)),
            )
            oldest = event.time - KEPT_SECONDS
            connection.execute("DELETE FROM event WHERE kind = ? AND time < ?", (event.kind, oldest))

    def list(self, query: EventQuery) -> tuple[list[Event], tuple[float, int] | None]:
        """Return a page of events, and `after` for the next page, if there is one."""
        sign, order = ("<", "DESC") if query.descending else (">", "ASC")
        time, number = query.after or ((1e13, 0) if query.descending else (-1.0, 0))
        rows = self._database.read(
            "SELECT * FROM event WHERE kind = ? AND (? = '' OR name = ?) AND (? = '' OR type = ?)"  # noqa: S608
            f" AND time BETWEEN ? AND ? AND (time, number) {sign} (?, ?)"
            f" ORDER BY time {order}, number {order} LIMIT ?",
            (
                *(query.kind, query.name, query.name, query.type, query.type),
                *(query.since, query.until, time, number, query.limit + 1),
            ),
        )
        page = rows[: query.limit]
        found = [
            Event(row["kind"], row["name"], row["time"], row["type"], row["summary"], json.loads(row["data"]))
            for row in page
        ]
        return found, (page[-1]["time"], page[-1]["number"]) if len(rows) > len(page) else None
