"""Texts for a model that takes a list of them: scikit-learn's vectorizers, and what is built on these."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array
from mlberth_serve.errors import BadRequestError
from mlberth_serve.frameworks.base import has_base
from mlberth_serve.frameworks.casts import to_text
from mlberth_serve.frameworks.rows import from_list, to_rows

_VECTORIZERS = tuple(
    f"sklearn.feature_extraction.text.{name}" for name in ("CountVectorizer", "HashingVectorizer")
)


def takes_texts(model: Any) -> bool:
    """Tell a model whose rows are texts: it knows of no columns, and a vectorizer of text is a part of it."""
    parts = [model, *model.get_params().values()] if hasattr(model, "get_params") else [model]
    return any(has_base(part, *_VECTORIZERS) for part in parts)


def to_texts(data: Any) -> Any:
    """Return one text for each row; what an input_fn made of another kind is left as it is.

    Raises BadRequestError for rows of several cells, and for a cell that is no text.
    """
    array = from_list(data) if isinstance(data, list | tuple) else data
    if not isinstance(array, np.ndarray):
        return data
    cells = _in_one_column(np.asarray(array))
    if cells is None:
        shape = " x ".join(map(str, array.shape))
        raise BadRequestError(f"The model takes one text a row; the body holds an array of {shape}.")
    records = cells.tolist()
    if all(isinstance(record, dict) and len(record) == 1 for record in records):
        cells = np.array([next(iter(record.values())) for record in records], dtype=object)
    return to_text(cells)


def to_free_rows(data: Any) -> Any:
    """Return rows for a model that knows of no columns: texts alone in one dimension, else rows of cells.

    It may be built on a vectorizer of the user's own, which takes texts as scikit-learn's do.
    """
    array = from_list(data) if isinstance(data, list | tuple) else data
    if isinstance(array, np.ndarray) and array.size and array.dtype.kind in "OU":
        cells = _in_one_column(np.asarray(array))
        if cells is not None and all(isinstance(cell, str) for cell in cells.tolist()):
            return cells
    return to_rows(array, None)


def _in_one_column(array: Array) -> Array | None:
    """Return an array of one column, or of one dimension or none, in one dimension; None for another."""
    return array.reshape(-1) if array.ndim < 2 or (array.ndim == 2 and array.shape[1] == 1) else None
