"""Arrays of what a handler returned: numpy's, torch's, scipy's, pandas', lists and numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import EXACT_WHOLE, MAX_DECODED_BYTES, Array

_NOT_NUMBERS = {"c": "complex numbers", "V": "records", "M": "dates", "m": "times"}
_NO_ARRAYS = (dict, bytes, bytearray, memoryview, set, frozenset, type(None))


def as_array(value: Any) -> Array:
    """Return a prediction as an array of numbers, text or objects, in the machine's byte order.

    Raises TypeError for what is no array, and for complex numbers, dates and records.
    """
    array = to_array(value)
    if array.dtype.kind in _NOT_NUMBERS:
        raise TypeError(f"{_NOT_NUMBERS[array.dtype.kind]} ({array.dtype}) are neither numbers nor text")
    return array


def to_array(value: Any) -> Array:
    """Return a prediction as an array of any kind, in the machine's byte order; no number is changed.

    Numbers of fewer bits than numpy has a type for become float32.
    """
    if isinstance(value, np.ma.MaskedArray):
        array = _fill(value)
    elif hasattr(value, "detach"):
        array = from_tensor(value)
    elif hasattr(value, "toarray"):
        _check_size(value.shape, value.dtype.itemsize)
        array = value.toarray()
    elif hasattr(value, "to_numpy"):
        array = _from_frame(value)
    elif isinstance(value, _NO_ARRAYS):
        raise TypeError(f"a {type(value).__name__} is not an array")
    else:
        array = _from_list(value) if isinstance(value, list | tuple) else np.asarray(value)
    if array.dtype.kind == "V" and array.dtype.type.__module__ == "ml_dtypes":  # JAX's bfloat16 and float8
        array = array.astype(np.float32)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def from_tensor(tensor: Any) -> Array:
    """Return a tensor of torch's, of any layout, on any device; raises TypeError for one of no numbers."""
    tensor = tensor.detach()
    try:
        array: Array = tensor.cpu().numpy()
    except (TypeError, RuntimeError):  # of a layout or a type that numpy does not have
        array = _from_rare_tensor(tensor)
    return array


def _from_rare_tensor(tensor: Any) -> Array:
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if str(tensor.layout) != "torch.strided":
        _check_size(tensor.shape, tensor.element_size())
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    try:
        array: Array = (tensor.float() if tensor.dtype.is_floating_point else tensor).numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise TypeError(f"a tensor of {tensor.dtype} is neither numbers nor text") from error
    return array


def _from_list(items: Any) -> Array:
    """Return lists as an array in which each item is what it was: numpy makes text of numbers beside text."""
    try:
        array = np.asarray(items)
    except ValueError:
        raise ValueError("the lists are not all of one length: they are no array") from None
    is_text = array.dtype.kind in "US"
    if is_text or (array.dtype.kind == "f" and _has_large(array)):
        cells = np.array(items, dtype=object)
        flat = cells.ravel().tolist()
        is_mixed = (
            any(not isinstance(cell, str | bytes) for cell in flat) if is_text else any(map(_is_large, flat))
        )
        return cells if is_mixed else array
    return array


def _is_large(cell: Any) -> bool:
    return isinstance(cell, int | np.integer) and abs(int(cell)) >= EXACT_WHOLE


def _has_large(array: Array) -> bool:
    return bool((np.abs(array) >= EXACT_WHOLE).any())


def _from_frame(frame: Any) -> Array:
    """Return a series or a frame; one with whole numbers beside others keeps those that no float is."""
    array: Array = np.asarray(frame.to_numpy())
    if array.dtype.kind == "f" and hasattr(frame, "astype") and _has_large(array):
        types = frame.dtypes
        types = list(types) if hasattr(types, "__iter__") else [types]
        whole = [getattr(kind, "kind", "") in set("iu") for kind in types]
        if _has_large(array.reshape(len(array), -1)[:, whole]):
            return np.asarray(frame.astype(object).to_numpy())
    return array


def _fill(masked: Any) -> Array:
    """Return a masked array with nan, or None among other things than floats, for what is masked."""
    if not np.ma.is_masked(masked):
        return np.asarray(masked.data)
    if masked.dtype.kind == "f":
        return np.asarray(masked.filled(np.nan))
    cells = np.asarray(masked.data.astype(object))
    cells[masked.mask] = None
    return cells


def _check_size(shape: Any, itemsize: int) -> None:
    if math.prod(shape) * itemsize > MAX_DECODED_BYTES:
        raise ValueError(f"a sparse matrix of {tuple(shape)} is too large to be written as an array")
