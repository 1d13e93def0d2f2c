"""Resources: what was requested, and what has become of it; one row each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mlberth_local.store.database import Database


class NameTakenError(Exception):
    """There is a resource of this kind and name."""


class NoSuchResourceError(Exception):
    """There is no resource of this kind and name."""


@dataclass
class Resource:
    """One resource. Times are seconds since the epoch."""

    kind: str
    """As in its ARN: `training-job`, `model`, …"""
    name: str
    arn: str
    created: float
    modified: float
    status: str
    request: dict[str, Any]
    """The request that made it; it does not change."""
    state: dict[str, Any] = field(default_factory=dict)
    finished: bool = False
    """Whether nothing has to be done for it any more."""


@dataclass(frozen=True)
class Query:
    """Which resources to list, in which order, and how many."""

    kind: str
    name_contains: str = ""
    status: str = ""
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None
    sort_by: str = "created"
    """`created`, `modified`, `name` or `status`."""
    descending: bool = True
    limit: int = 10
    after: tuple[Any, str] | None = None
    """The sort value and the name of the last resource of the page before."""


class Resources:
    """The table of resources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, resource: Resource) -> None:
        """Add a resource. Raises NameTakenError."""
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO resource"
                    " (arn, modified, status, finished, state, request, created, kind, name)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*_changing(resource), json.dumps(resource.request), resource.created, *_key(resource)),
                )
        except sqlite3.IntegrityError:
            raise NameTakenError(f"{resource.kind}/{resource.name}") from None

    def get(self, kind: str, name: str) -> Resource:
        """Return a resource. Raises NoSuchResourceError."""
        rows = self._database.read("SELECT * FROM resource WHERE kind = ? AND name = ?", (kind, name))
        if not rows:
            raise NoSuchResourceError(f"{kind}/{name}")
        return _resource(rows[0])

    @contextmanager
    def changing(self, kind: str, name: str) -> Iterator[Resource]:
        """Hand out a resource, and save it when the block ends; nobody else changes it meanwhile.

        Nothing is saved if the block raises. Raises NoSuchResourceError.
        """
        with self._database.transaction() as connection:
            statement = "SELECT * FROM resource WHERE kind = ? AND name = ?"
            row = connection.execute(statement, (kind, name)).fetchone()
            if row is None:
                raise NoSuchResourceError(f"{kind}/{name}")
            resource = _resource(row)
            yield resource
            connection.execute(
                "UPDATE resource SET arn = ?, modified = ?, status = ?, finished = ?, state = ?"
                " WHERE kind = ? AND name = ?",
                (*_changing(resource), *_key(resource)),
            )

    def delete(self, kind: str, name: str) -> None:
        """Remove a resource. Raises NoSuchResourceError."""
        with self._database.transaction() as connection:
            statement = "DELETE FROM resource WHERE kind = ? AND name = ?"
            if not connection.execute(statement, (kind, name)).rowcount:
                raise NoSuchResourceError(f"{kind}/{name}")

    def unfinished(self, kind: str) -> list[Resource]:
        """Return the resources that have something left to do, oldest first."""
        statement = "SELECT * FROM resource WHERE kind = ? AND NOT finished ORDER BY created, name"
        return [_resource(row) for row in self._database.read(statement, (kind,))]

    def list(self, query: Query) -> tuple[list[Resource], tuple[Any, str] | None]:
        """Return a page of resources, and `after` for the next page, if there is one."""
        conditions, values = _conditions(query)
        column, order = query.sort_by, "DESC" if query.descending else "ASC"
        rows = self._database.read(
            f"SELECT * FROM resource WHERE {' AND '.join(conditions)}"  # noqa: S608 - names of ours alone
            f" ORDER BY {column} {order}, name {order} LIMIT ?",
            [*values, query.limit + 1],
        )
        found = [_resource(row) for row in rows[: query.limit]]
        more = len(rows) > query.limit
        return found, (getattr(found[-1], column), found[-1].name) if more else None


_COLUMNS = ("created", "modified", "name", "status")


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    if query.sort_by not in _COLUMNS:
        raise ValueError(f"sort_by is {query.sort_by!r}; expected one of {', '.join(_COLUMNS)}")
    pairs: Mapping[str, Any] = {
        "kind = ?": query.kind,
        "instr(name, ?)": query.name_contains or None,
        "status = ?": query.status or None,
        "created > ?": query.created_after,
        "created < ?": query.created_before,
        "modified > ?": query.modified_after,
        "modified < ?": query.modified_before,
    }
    given = {condition: value for condition, value in pairs.items() if value is not None}
    conditions, values = list(given), list(given.values())
    if query.after is not None:
        conditions.append(f"({query.sort_by}, name) {'<' if query.descending else '>'} (?, ?)")
        values += query.after
    return conditions, values


def _key(resource: Resource) -> tuple[str, str]:
    return resource.kind, resource.name


def _changing(resource: Resource) -> tuple[Any, ...]:
    state = json.dumps(resource.state)
    return resource.arn, resource.modified, resource.status, resource.finished, state


def _resource(row: sqlite3.Row) -> Resource:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    values |= {name: json.loads(row[name]) for name in ("request", "state")}
    return Resource(**values | {"finished": bool(row["finished"])})
