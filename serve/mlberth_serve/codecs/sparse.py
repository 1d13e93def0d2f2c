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
    csr_matrix = import_sparse().csr_matrix
    width = _width(rows)
    lengths = np.cumsum([0, *(len(row.columns) for row in rows)])
    columns = np.concatenate([np.asarray(row.columns, dtype=np.int64) for row in rows])
    values = np.concatenate([row.values for row in rows])
    matrix = csr_matrix((values, columns, lengths), shape=(len(rows), width))
    matrix.sort_indices()
    if not matrix.has_canonical_format:
        raise BadRequestError("A sparse row of the body names a column twice.")
    return matrix


def import_sparse() -> Any:
    """Return scipy.sparse; raises UnsupportedTypeError where it is not installed."""
    try:
        from scipy import sparse  # noqa: PLC0415 - heavy, and sparse bodies are rare
    except ImportError:
        raise UnsupportedTypeError("Sparse data needs scipy, which is not installed here.") from None
    return sparse


def _width(rows: Sequence[Row]) -> int:
    told = {row.width for row in rows if row.width is not None}
    if len(told) > 1:
        raise BadRequestError("The sparse rows of the body are not all of one width.")
    first = min((int(row.columns.min()) for row in rows if len(row.columns)), default=0)
    last = max((int(row.columns.max()) for row in rows if len(row.columns)), default=-1)
    width = told.pop() if told else last + 1
    if first < 0 or last >= width or not 0 <= width <= WIDEST:
        raise BadRequestError("A sparse row of the body has a column that cannot be.")
    if any(len(row.columns) != len(row.values) for row in rows):
        raise BadRequestError("A sparse row of the body has not as many keys as values.")
    return width
