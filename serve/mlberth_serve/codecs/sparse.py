"""Sparse rows: only the cells that are there, as a scipy.sparse.csr_matrix.

A cell that is not there is zero to scikit-learn and missing to XGBoost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import BadRequestError, UnsupportedTypeError

WIDEST = 2**31 - 1


class Row(NamedTuple):
    """The cells of one row: `values[i]` stands in column `columns[i]`, counted from 0."""

    columns: Array
    values: Array
    width: int | None = None
    """How many columns the row says it has."""


def to_csr(rows: Sequence[Row]) -> Any:
    """Return rows as one matrix, as wide as they say or as their last cell makes it.

    Raises BadRequestError for rows that contradict themselves or each other.
    """
    width = _width(rows)
    lengths = np.cumsum([0, *(len(row.columns) for row in rows)])
    columns = np.concatenate([np.asarray(row.columns, dtype=np.int64) for row in rows])
    return to_matrix(np.concatenate([row.values for row in rows]), columns, lengths, width)


def to_matrix(values: Array, columns: Array, starts: Array, width: int | None = None) -> Any:
    """Return cells as a csr_matrix: row i is those from `starts[i]` to `starts[i + 1]`.

    It is as wide as the last column without a width. Raises BadRequestError for a row that names a
    column twice.
    """
    if width is None:
        width = int(columns.max()) + 1 if len(columns) else 0
    matrix = import_sparse().csr_matrix((values, columns, starts), shape=(len(starts) - 1, width))
    return check_columns(matrix)


def check_columns(matrix: Any) -> Any:
    """Return a csr_matrix, each row in order; raises BadRequestError for two cells of one column."""
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        same = np.flatnonzero(np.diff(matrix.indices) == 0)
        rows = np.searchsorted(matrix.indptr, [same, same + 1], side="right") - 1
        at = int(np.flatnonzero(rows[0] == rows[1])[0])
        row, column = int(rows[0][at]), int(matrix.indices[same[at]])
        raise BadRequestError(f"Row {row} of the body names column {column} twice, counted from 0.")
    return matrix


def import_sparse() -> Any:
    """Return scipy.sparse; raises UnsupportedTypeError if it is not installed."""
    try:
        from scipy import sparse
    except ImportError:
        raise UnsupportedTypeError("Sparse data needs scipy, which is not installed here.") from None
    return sparse


def _width(rows: Sequence[Row]) -> int:
    widths = {row.width for row in rows if row.width is not None}
    if len(widths) > 1:
        raise BadRequestError("The sparse rows of the body are not all of one width.")
    first = min((int(row.columns.min()) for row in rows if len(row.columns)), default=0)
    last = max((int(row.columns.max()) for row in rows if len(row.columns)), default=-1)
    width = widths.pop() if widths else last + 1
    if first < 0 or last >= width or not 0 <= width <= WIDEST:
        raise BadRequestError("A sparse row of the body has a column that cannot be.")
    if any(len(row.columns) != len(row.values) for row in rows):
        raise BadRequestError("A sparse row of the body has not as many keys as values.")
    return width
