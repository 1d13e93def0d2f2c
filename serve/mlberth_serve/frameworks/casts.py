"""From a body's numbers to the type that a model takes; what cannot be kept is refused with its place."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from mlberth_serve.codecs.base import EXACT_WHOLE, Array, check_size
from mlberth_serve.errors import BadRequestError

_LARGEST = {2: 65504.0, 4: 3.4028234663852886e38, 8: 1.7976931348623157e308}
"""The largest number of a float of so many bytes."""
_TEXT = 56
"""What a text takes beside its characters, in bytes."""
_SHOWN = 40


def cast(data: Any, kind: Any, name: str = "") -> Array:
    """Return numbers in a type of numpy's, each of the value that it has, but for rounding to a float.

    `name` is the column's or the input's, for the message. Raises BadRequestError for text, for what is not
    whole, not 0 or 1, or out of range, and for what becomes infinite.
    """
    array, dtype = _to_numbers(np.asarray(data), name), np.dtype(kind)
    if array.dtype == dtype or not array.size:
        return array.astype(dtype, copy=False)
    if dtype.itemsize > array.dtype.itemsize:
        check_size(array.size * dtype.itemsize)
    if dtype.kind == "f":
        if not _lies_within(array, _LARGEST[dtype.itemsize]):
            with np.errstate(over="ignore"):
                lost = np.isinf(array.astype(dtype)) & np.isfinite(array)
            _refuse(array, lost, f"numbers up to {_LARGEST[dtype.itemsize]}", name)
        return array.astype(dtype)
    if dtype.kind == "b":
        _refuse(array, (array != 0) & (array != 1), "0 and 1", name)
        return array.astype(dtype)
    _check_whole(array, dtype, name)
    return array.astype(dtype)


def to_text(data: Any, name: str = "") -> Array:
    """Return text as an array of objects; raises BadRequestError for anything else.

    A number is not made text of: whether it was written 1, 1.0 or 01 is not known any more.
    """
    array = np.asarray(data)
    if array.dtype.kind == "S":
        try:
            array = array.astype(str)
        except UnicodeDecodeError:
            raise BadRequestError("The body holds text that is not ASCII, as bytes.") from None
    array = array.astype(object)
    cells = array.ravel().tolist()
    _refuse(array, _cells(array, [not isinstance(cell, str) for cell in cells]), "text", name)
    check_size(
        sum(map(len, cells)) + _TEXT * len(cells)
    )  # of a text that many cells share, each gets its own
    return array


def check_float32(rows: Array) -> None:
    """Refuse a finite number that is infinite as a float32, which is what a library makes of it by itself."""
    if rows.dtype.kind == "f" and rows.dtype.itemsize > 4 and not _lies_within(rows, _LARGEST[4]):
        lost = np.isfinite(rows) & (np.abs(rows) > _LARGEST[4])
        _refuse(rows, lost, f"numbers up to {_LARGEST[4]}", "")


def _lies_within(array: Array, maximum: float) -> bool:
    """Return whether no number is nan or beyond `most`; for a few numbers it takes half a microsecond."""
    flat = array.reshape(-1)
    return not flat.size or -maximum <= float(flat[flat.argmin()]) <= float(flat[flat.argmax()]) <= maximum


def _check_whole(array: Array, dtype: np.dtype[Any], name: str) -> None:
    if array.dtype.itemsize == 2 and array.dtype.kind == "f":
        array = array.astype(np.float32)  # the limits are beyond what it compares with
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    takes = f"whole numbers from {low} to {high}"
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            lost = ~(np.floor(array) == array) | ~np.isfinite(array)
        _refuse(array, lost, takes, name)
        if dtype.itemsize == 8:
            takes += ", and as floats those below 2**53: whole numbers are exact in JSON without a point"
            _refuse(array, (array >= EXACT_WHOLE) | (array <= -EXACT_WHOLE) | (array < low), takes, name)
        else:
            _refuse(array, (array < low) | (array > high), takes, name)
    elif array.dtype.kind in "iu":
        _refuse(array, (array < low) | (array > high), takes, name)


def _to_numbers(array: Array, name: str) -> Array:
    """Return numbers that stand as objects in numpy's own type; raises BadRequestError for text."""
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "O":
        cells = array.ravel().tolist()
        wrong = [not isinstance(cell, int | float | None) for cell in cells]
        if not any(wrong):
            plain = np.array([np.nan if cell is None else cell for cell in cells]).reshape(array.shape)
            if plain.dtype.kind in "biuf":
                return plain
        _refuse(array, _cells(array, wrong), "numbers", name)
    _refuse(array, np.ones(array.shape, bool), "numbers", name)
    raise BadRequestError("The model takes numbers; the body holds text or objects.")


def _cells(array: Array, flags: list[bool]) -> Array:
    return np.array(flags, dtype=bool).reshape(array.shape)


def _refuse(array: Array, wrong: Any, takes: str, name: str) -> None:
    """Raise BadRequestError with the first cell that is marked as wrong, if there is one."""
    if wrong.any():
        at = int(np.argmax(wrong))
        place: list[int] = []
        cell = array.reshape(-1)[at]
        for size in reversed(array.shape):  # numpy's own way ends at 32 dimensions
            at, index = divmod(at, size)
            place.insert(0, index)
        _tell(cell, place, takes, name)


def _tell(cell: Any, place: list[int], takes: str, name: str) -> NoReturn:
    cell = cell.item() if isinstance(cell, np.generic) else cell
    value = repr(cell)[:_SHOWN] if isinstance(cell, int | float) else f"a {type(cell).__name__}"
    where = f"Row {place[0]}" if place else "The value"
    if len(place) > 1 and not name:
        where += ", column " + ", ".join(map(str, place[1:]))
    elif name:
        where += f", column {name!r:.80}"
    raise BadRequestError(f"{where}, counted from 0, is {value}; the model takes {takes}.")
