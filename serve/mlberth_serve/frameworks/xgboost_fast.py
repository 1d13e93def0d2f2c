"""XGBoost's prediction for an array of numbers, by its C interface.

`Booster.inplace_predict` spends as long on finding out what it was given, and on writing the same
parameters again, as the library then takes for a row. What is called is what it calls.
Source: XGBoosterPredictFromDense, https://xgboost.readthedocs.io/en/stable/c.html.
"""

from __future__ import annotations

import ctypes
import json
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array

_TYPES = {np.dtype(np.float32): "<f4", np.dtype(np.float64): "<f8"}
_SIZES = ctypes.POINTER(ctypes.c_uint64)
_FLOATS = ctypes.POINTER(ctypes.c_float)


class DensePredict:
    """Predicts with one Booster; the first prediction is made both ways, and decides whether to go on so."""

    def __init__(self, iterations: tuple[int, int]) -> None:
        self._iterations = iterations
        self._function: Any = None
        self._tried = False
        parameters = {
            "type": 0,
            "training": False,
            "iteration_begin": iterations[0],
            "iteration_end": iterations[1],
            "missing": np.nan,
            "strict_shape": False,
            "cache_id": 0,
        }
        self._parameters = json.dumps(parameters).encode()

    def __call__(self, booster: Any, rows: Any) -> Any:
        """Return what `inplace_predict` does, or raise what it raises."""
        fits = type(rows) is np.ndarray and rows.dtype in _TYPES and rows.flags.c_contiguous and rows.size
        if fits and self._function:
            found = self._predict(booster, rows)
            if found is not None:
                return found
        expected = booster.inplace_predict(rows, iteration_range=self._iterations, validate_features=False)
        if fits and not self._tried:
            # Not before: a prediction in the process that workers are forked from can start threads.
            self._tried = True
            self._function = _find_function()
            found = self._function and self._predict(booster, rows)
            if not _is_same(found, expected):
                self._function = None
        return expected

    def _predict(self, booster: Any, rows: Array) -> Array | None:
        """Return None if the library refuses."""
        described = {
            "data": [rows.__array_interface__["data"][0], True],
            "shape": rows.shape,
            "strides": None,
            "typestr": _TYPES[rows.dtype],
            "version": 3,
        }
        shape, count, values = _SIZES(), ctypes.c_uint64(), _FLOATS()
        failed = self._function(
            booster.handle,
            json.dumps(described).encode(),
            self._parameters,
            None,
            ctypes.byref(shape),
            ctypes.byref(count),
            ctypes.byref(values),
        )
        if failed:
            return None
        prediction = np.empty(shape[: count.value], np.float32)
        ctypes.memmove(prediction.ctypes.data, values, prediction.nbytes)
        return prediction


def _find_function() -> Any | None:
    try:
        from xgboost.libpath import find_lib_path

        function = ctypes.CDLL(find_lib_path()[0]).XGBoosterPredictFromDense
    except (ImportError, OSError, AttributeError, IndexError):
        return None
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.POINTER(_SIZES),
        ctypes.POINTER(ctypes.c_uint64),
        ctypes.POINTER(_FLOATS),
    ]
    function.restype = ctypes.c_int
    return function


def _is_same(found: Any, expected: Any) -> bool:
    return (
        type(found) is type(expected)
        and (found.dtype, found.shape) == (expected.dtype, expected.shape)
        and np.array_equal(found, expected, equal_nan=True)
    )
