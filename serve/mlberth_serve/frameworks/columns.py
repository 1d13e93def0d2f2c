"""Rows for a model that was trained on a data frame, and so knows its columns by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import EXACT_WHOLE, Array, Table
from mlberth_serve.errors import BadRequestError


def by_name(data: Any, names: Sequence[str]) -> Any:
    """Return named cells (a Table, or records) in the order of `names`; other data as it is.

    Columns that the model does not know are left out. Raises BadRequestError for one that is missing.
    """
    if not len(names):
        return data
    if isinstance(data, Table) and data.columns:
        places = {name: place for place, name in enumerate(data.columns)}
        _check_names(places, names)
        return np.asarray(data)[:, [places[name] for name in names]]
    is_objects = isinstance(data, np.ndarray) and data.ndim == 1 and data.dtype == object
    records = data.tolist() if is_objects else data
    if isinstance(records, list) and records and all(isinstance(record, dict) for record in records):
        return _from_records(records, names)
    return data


def to_frame(rows: Any, names: Sequence[str]) -> Any:
    """Return rows as the data frame that they were trained as: each column of a type of its own."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(names)).infer_objects()


def _from_records(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Array:
    for record in records:
        _check_names(record, names)
    cells = [[np.nan if record[name] is None else record[name] for name in names] for record in records]
    array = np.empty((len(cells), len(names)), dtype=object)
    array[:] = cells
    is_text = any(not isinstance(cell, int | float) for row in cells for cell in row)
    return array if is_text else _to_floats(array, names)


def _to_floats(array: Array, names: Sequence[str]) -> Array:
    """Return numbers as floats; raises BadRequestError for a whole number that no float is."""
    floats = array.astype(float)
    if (np.abs(floats) >= EXACT_WHOLE).any() and (lost := (floats != array) & ~np.isnan(floats)).any():
        row, column = (int(index) for index in np.argwhere(lost)[0])
        raise BadRequestError(
            f"Record {row}, counted from 0, has {array[row, column]} under {names[column]!r:.80}; "
            f"beyond 2**53 not every whole number is a float, which the model takes."
        )
    return floats


def _check_names(given: Mapping[str, Any], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise BadRequestError(
            f"The body lacks {len(missing)} of the model's columns: {', '.join(missing[:5])}."
        )
