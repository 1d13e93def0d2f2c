"""The versions of the store's schema, oldest first; `PRAGMA user_version` is how many have been applied."""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE resource (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            arn TEXT NOT NULL,
            created REAL NOT NULL,
            modified REAL NOT NULL,
            status TEXT NOT NULL,
            finished INTEGER NOT NULL,
            request TEXT NOT NULL,
            state TEXT NOT NULL,
            PRIMARY KEY (kind, name)
        ) WITHOUT ROWID""",
        "CREATE INDEX resource_by_time ON resource (kind, created, name)",
        "CREATE INDEX resource_unfinished ON resource (kind, created) WHERE NOT finished",
    ),
    (
        """CREATE TABLE metric (
            namespace TEXT NOT NULL,
            name TEXT NOT NULL,
            dimensions TEXT NOT NULL,
            time REAL NOT NULL,
            unit TEXT NOT NULL,
            count REAL NOT NULL,
            sum REAL NOT NULL,
            low REAL NOT NULL,
            high REAL NOT NULL
        )""",
        "CREATE INDEX metric_by_time ON metric (namespace, name, dimensions, time)",
    ),
    (
        """CREATE TABLE event (
            number INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            time REAL NOT NULL,
            type TEXT NOT NULL,
            summary TEXT NOT NULL,
            data TEXT NOT NULL,
            UNIQUE (kind, name, time, type, summary)
        )""",
        "CREATE INDEX event_by_time ON event (kind, time, number)",
    ),
    ("CREATE TABLE metric_rollup (length REAL PRIMARY KEY, until REAL NOT NULL)",),
    ("CREATE TABLE metric_source (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID",),
)
"""A statement never changes once it is released: a later version adds a tuple."""
