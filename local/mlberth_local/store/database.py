"""The SQLite file: write-ahead log, migrations, transactions."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlberth_local.store.migrations import MIGRATIONS

_WAIT_SECONDS = 30.0
"""For the transaction of another command on this file; each takes milliseconds."""


class NewerSchemaError(Exception):
    """The file was written by a later version of this program."""


class Database:
    """One file, for any thread: one connection writes, another reads, so no reader waits for the disk."""

    def __init__(self, path: Path, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
        """Open the file, or make it, and bring its schema to this version. Raises NewerSchemaError."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer, self._reader = _connect(path), _connect(path)
        self._migrate(migrations)

    def _migrate(self, migrations: Sequence[Sequence[str]]) -> None:
        with self.transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                text = f"{self.path} has schema {version}; this version of mlberth knows {len(migrations)}"
                raise NewerSchemaError(text)
            for statements in migrations[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(migrations)}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, alone; it is on the disk when the block ends, and undone if it raises."""
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # SQLite itself has ended it if the disk is full
                    self._writer.execute("ROLLBACK")
                raise

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with self._reading:
            return self._reader.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        self._reader.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Transactions are written out above.
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    # What is committed is about to happen: a container starts, an answer is sent. So it is on the disk first.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def is_full(error: Exception) -> bool:
    """Return whether an error says that no space is left on the disk."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)
