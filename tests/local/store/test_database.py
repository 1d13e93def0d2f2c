"""The SQLite file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mlberth_local.store.database import Database, NewerSchemaError

FIRST = (("CREATE TABLE a (x INTEGER)",),)


def test_migrations_run_once(tmp_path: Path) -> None:
    """Each version's statements are applied once, and a later version's file is refused."""
    path = tmp_path / "db"
    Database(path, FIRST).close()
    later = Database(path, (*FIRST, ("ALTER TABLE a ADD COLUMN y INTEGER",)))
    with later.transaction() as connection:
        connection.execute("INSERT INTO a VALUES (1, 2)")
    assert [tuple(row) for row in later.read("SELECT * FROM a")] == [(1, 2)]
    later.close()
    with pytest.raises(NewerSchemaError, match="schema 2; this version of mlberth knows 1"):
        Database(path, FIRST)


def test_a_failed_transaction_is_undone(tmp_path: Path) -> None:
    """Nothing of a block that raises is kept."""
    database = Database(tmp_path / "db", FIRST)
    with pytest.raises(sqlite3.OperationalError), database.transaction() as connection:  # noqa: PT012
        connection.execute("INSERT INTO a VALUES (1)")
        connection.execute("INSERT INTO b VALUES (1)")
    assert database.read("SELECT * FROM a") == []
    database.close()


def test_what_is_committed_outlives_a_kill(tmp_path: Path) -> None:
    """A writer that is killed at any moment has lost nothing that it has acknowledged."""
    program = (
        "import sys; from pathlib import Path; from mlberth_local.store.database import Database\n"
        f"database = Database(Path({str(tmp_path / 'db')!r}), {FIRST!r})\n"
        "for number in range(1000000):\n"
        "    with database.transaction() as connection:\n"
        "        connection.execute('INSERT INTO a VALUES (?)', (number,))\n"
        "    print(number, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(20):
            last = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        last = max([last, *map(int, writer.stdout.read().split())])
    connection = sqlite3.connect(tmp_path / "db")
    assert connection.execute("SELECT max(x) FROM a").fetchone()[0] >= last
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
