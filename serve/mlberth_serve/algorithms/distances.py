"""Distances between rows, as much at a time as memory is meant to take."""

from __future__ import annotations

from collections.abc import Iterator

from mlberth_serve.codecs.base import Array

_CELLS = 1 << 22


def squared_distances(rows: Array, points: Array) -> Array:
    """Return the squared Euclidean distance of each row to each point, up to rounding."""
    squares = (rows**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)
    distances: Array = squares - 2 * (rows @ points.T)
    return distances


def parts(rows: Array, points: int) -> Iterator[Array]:
    """Yield some rows at a time, so many that a table of them and the points stays small."""
    size = max(1, _CELLS // max(points, 1))
    return (rows[start : start + size] for start in range(0, len(rows), size))
