"""The rows that a framework's default predict_fn gives to its model."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlberth_serve.codecs.base import MAX_DECODED_BYTES, Array, check_size
from mlberth_serve.codecs.json import to_plain_array
from mlberth_serve.errors import BadRequestError

_FLOAT = 8


def to_rows(data: Any, columns: int | None) -> Any:
    """Return two-dimensional data of the right width; one dimension is one row.

    Sparse rows that are narrower are widened: they end with cells that are not there. What is neither
    these nor a list nor a numpy array (a data frame, a matrix of the framework's own) came from an
    input_fn and is left as it is. Raises BadRequestError.
    """
    if isinstance(data, list | tuple):
        data = from_list(data)
    if not isinstance(data, np.ndarray):
        return _widen(data, columns) if is_sparse(data) else data
    if data.nbytes > MAX_DECODED_BYTES // _FLOAT and data.dtype.itemsize < _FLOAT:
        check_size(data.size * _FLOAT)  # what libraries make of small numbers by themselves
    if data.ndim == 1 and data.size:
        data = data.reshape(1, -1)
    if data.ndim != 2 or not data.size:
        shape = " x ".join(map(str, data.shape))
        raise BadRequestError(
            f"The model takes rows of cells; the body holds an array of {shape or 'no dimensions'}."
        )
    if columns is not None and data.shape[1] != columns:
        raise BadRequestError(f"The model takes rows of {columns} cells; the body's have {data.shape[1]}.")
    return data


def from_list(items: Any) -> Array:
    """Return lists as an array, numbers beside text as what they are; raises BadRequestError if ragged."""
    try:
        return to_plain_array(items, 0)
    except ValueError:
        raise BadRequestError("The rows are not all of one length.") from None


def is_sparse(data: Any) -> bool:
    """Tell a matrix of scipy.sparse."""
    return hasattr(data, "tocsr")


def to_dense(data: Any) -> Any:
    """Return sparse rows as an array, for a model that takes no others; leave anything else as it is."""
    if not is_sparse(data):
        return data
    check_size(data.shape[0] * data.shape[1] * data.dtype.itemsize)
    return data.toarray()


def to_numbers(data: Any) -> Any:
    """Refuse an array that holds anything but numbers; leave anything else as it is."""
    if isinstance(data, np.ndarray) and data.dtype.kind not in "biuf":
        raise BadRequestError("The model takes numbers; the body holds text or objects." + _hint(data))
    return data


def explain_refusal(data: Any) -> BadRequestError:
    """Return the answer to rows that a model refused, as near to the reason as can be seen in them."""
    if isinstance(data, np.ndarray):
        if data.dtype.kind not in "biuf":
            return BadRequestError("The model refuses the rows, which hold text." + _hint(data))
        if not np.isfinite(data).all():
            return BadRequestError("The model refuses the rows, which hold missing or infinite values.")
    return BadRequestError("The model refuses the rows; the log has the cause.")


def _widen(data: Any, columns: int | None) -> Any:
    if columns is None or data.shape[1] == columns:
        return data
    if data.shape[1] > columns:
        found = f"the body has a cell in column {data.shape[1] - 1}, counted from 0"
        raise BadRequestError(f"The model takes rows of {columns} cells; {found}.")
    wide = data.tocsr(copy=True)
    wide.resize(data.shape[0], columns)
    return wide


def _hint(data: Array) -> str:
    """Point at a CSV header: text all over the first row and nowhere else."""
    if data.ndim == 2 and len(data) > 1:
        is_text = [[isinstance(cell, str) for cell in row] for row in data[:2]]
        if all(is_text[0]) and not any(is_text[1]):
            return " Send a CSV header as text/csv; header=present."
    return ""
