"""Older metrics in coarser steps, as CloudWatch keeps them: the store does not grow for ever."""

from __future__ import annotations

import math

from mlberth_local.store.database import Database
from mlberth_local.store.metrics import Metrics, key_of

_HOUR, _DAY = 3600.0, 86400.0
TIERS = ((3 * _HOUR, 60.0), (15 * _DAY, 300.0), (63 * _DAY, 3600.0))
"""The age from which points are gathered, and the length of the periods for it, in seconds."""
KEPT_SECONDS = 455 * _DAY
_STEPS = 24
"""Values in a tenfold range are told apart in so many steps of 10 %, so that percentiles stay about right."""


def roll_up(database: Database, metrics: Metrics, now: float) -> None:
    """Gather the points that have come of age since the last time, and remove the oldest.

    Each metric is one short transaction. What was gathered already is gathered again if this is interrupted,
    which changes nothing.
    """
    for age, length in TIERS:
        [(since,)] = database.read(
            "SELECT COALESCE(MAX(until), 0) FROM metric_rollup WHERE length = ?", (length,)
        )
        until = (now - age) // _HOUR * _HOUR
        if until <= since:
            continue
        for series in metrics.series():
            _gather(database, (*key_of(series), since, until), length)
        with database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO metric_rollup VALUES (?, ?)", (length, until))
            connection.execute("DELETE FROM metric WHERE time < ?", (now - KEPT_SECONDS,))


def _gather(database: Database, place: tuple[str, str, str, float, float], length: float) -> None:
    where = "WHERE namespace = ? AND name = ? AND dimensions = ? AND time >= ? AND time < ?"
    with database.transaction() as connection:
        connection.create_function("step", 1, _step, deterministic=True)
        [(newest,)] = connection.execute("SELECT MAX(rowid) FROM metric").fetchall()
        connection.execute(
            "INSERT INTO metric SELECT namespace, name, dimensions, CAST(time / ? AS INTEGER) * ?, unit,"  # noqa: S608
            f" SUM(count), SUM(sum), MIN(low), MAX(high) FROM metric {where} AND rowid <= ?"
            " GROUP BY CAST(time / ? AS INTEGER), unit, step(sum / MAX(count, 1))",
            (length, length, *place, newest, length),
        )
        connection.execute(f"DELETE FROM metric {where} AND rowid <= ?", (*place, newest))  # noqa: S608


def _step(value: float) -> int:
    """Return the step of a value; those of negative values are odd."""
    if not value or not math.isfinite(value):
        return 0
    # The bounds are those of the gateway's latencies, so that two of its steps never become one.
    step = 2 * (math.ceil(math.log10(abs(value)) * _STEPS) + 10_000)
    return step + (value < 0)
