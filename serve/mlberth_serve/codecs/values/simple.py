"""Values for which JSON has a word, in the place of those for which it has none; cells of CSV."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import deque
from collections.abc import ItemsView, KeysView, Mapping, Sequence, Set, ValuesView
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from mlberth_serve.codecs.base import Array
from mlberth_serve.codecs.values.arrays import to_array

_VIEWS = (KeysView, ValuesView, ItemsView)
_LISTS = (Sequence, deque, *_VIEWS)
_BYTES = (bytes, bytearray, memoryview)
_MISSING = frozenset({"NAType", "NaTType"})
"""The classes of pandas' missing values, which equal nothing, themselves neither."""
_CELLS = frozenset({str, int, float, bool, type(None)})


# Source of the forms: RFC 3339 for dates and times, seconds for durations, the value for an enum's member.
def simplify(value: Any) -> Any:
    """Return what JSON has a word for, or what holds such; raises TypeError for what has none.

    It is one step: what a list or a map holds may need another.
    """
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else None  # with every digit
    if isinstance(value, np.generic):  # before bytes: numpy's are text
        return _from_array(np.asarray(value))
    if isinstance(value, _BYTES):
        raise TypeError(f"a {type(value).__name__} is not text: decode it, or write it as base64")
    scalar = _to_scalar(value)
    if scalar is not value:
        return scalar
    inner = _open(value)
    return _from_array(value) if inner is None else inner


def _open(value: Any) -> Any:
    """Return a list or a map of what is in a value; None for what is no container of Python's."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set) and not isinstance(value, _VIEWS):
        return _in_order(value)
    if isinstance(value, _LISTS):
        return list(value)
    dump = getattr(value, "model_dump", None)  # pydantic's
    return dump() if callable(dump) else None


def to_lists(array: Array) -> Any:
    """Return an array as lists of what JSON has words for; raises TypeError or ValueError."""
    kind = array.dtype.kind
    if kind == "S":
        try:
            return np.char.decode(array, "utf-8").tolist()
        except UnicodeDecodeError:
            raise ValueError("the prediction holds bytes that are not text in UTF-8") from None
    if kind == "M":
        return _to_texts(array).tolist()
    if kind == "m":
        return np.where(np.isnat(array), np.nan, array / np.timedelta64(1, "s")).tolist()
    if kind in "cV":
        raise TypeError(f"an array of {array.dtype} holds no numbers or text that could be written")
    return array.tolist()


def to_rows(array: Array) -> list[Any]:
    """Return the rows of an array as cells of CSV; raises TypeError for what is no cell."""
    if array.dtype.kind in "SMm":
        return list(to_lists(array))
    if array.dtype.kind == "O":
        flat = array.ravel().tolist()
        if not set(map(type, flat)) <= _CELLS:
            cells = np.empty(len(flat), dtype=object)
            cells[:] = [_to_cell(value) for value in flat]
            array = cells.reshape(array.shape)
    elif array.dtype.kind in "cV":
        raise TypeError(f"an array of {array.dtype} holds no numbers or text that could be written")
    rows: list[Any] = array.tolist()
    return rows


def _to_cell(value: Any) -> Any:
    """Return what is written for one cell; raises TypeError for lists, maps and objects."""
    if isinstance(value, str | int | float | Decimal | None | np.bool_ | np.integer | np.floating):
        return str(value) if isinstance(value, np.generic) else value
    scalar = _to_scalar(value)
    if scalar is value and hasattr(value, "dtype") and not getattr(value, "shape", None):
        scalar = to_lists(to_array(value))
    if scalar is value or not isinstance(scalar, str | int | float | None):
        raise TypeError(f"a {type(value).__name__} is no cell of text/csv: expected text or a number")
    return scalar


def _to_scalar(value: Any) -> Any:
    """Return text, a number or None for an object that stands for one; others as they are."""
    if type(value).__name__ in _MISSING:
        return None
    if isinstance(value, Enum):
        return _to_scalar(value.value)
    if isinstance(value, dt.date | dt.time):  # pandas' Timestamp too
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, UUID) else value


def _from_array(value: Any) -> Any:
    array = to_array(value)
    kind = array.dtype.kind
    if kind == "O" and array.ndim == 0 and not isinstance(value, np.ndarray):
        raise TypeError(f"a {type(value).__name__} cannot be written")
    if kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if kind in "biuf" and array.ndim:
        return np.ascontiguousarray(array)  # orjson writes it at once
    return to_lists(array)


def _in_order(values: Set[Any]) -> list[Any]:
    """Return a set in an order that is the same in every process."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _to_texts(dates: Array) -> Array:
    """Return dates as orjson writes them, None for one that is not there."""
    times = dates.astype("M8[us]").ravel().tolist()
    if any(isinstance(time, int) for time in times):
        raise ValueError("the prediction holds a date before the year 1 or after 9999")
    texts = np.empty(len(times), dtype=object)
    texts[:] = [None if time is None else time.isoformat() for time in times]
    return texts.reshape(dates.shape)
