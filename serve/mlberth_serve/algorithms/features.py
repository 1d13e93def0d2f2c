"""Bodies as rows of features: the platform's common formats for inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlberth_serve.codecs import READERS, first_names
from mlberth_serve.codecs.base import Array, check_size
from mlberth_serve.errors import BadRequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_NUMBER = 8


def read_features(body: bytes | memoryview, media_type: MediaType, width: int) -> Array:
    """Return rows of so many finite numbers, float64; raises RequestError for any other body.

    `label_size` of the content type says how many columns at the left of csv are labels, which are left out.
    """
    if not body:
        raise BadRequestError("The body is empty.")
    if media_type.fault:
        raise BadRequestError(media_type.fault)
    if media_type.name not in READERS:
        raise UnsupportedTypeError(f"Content-Type is none of {first_names(READERS)}.")
    rows = _as_rows(READERS[media_type.name].decode(bytes(body), media_type).array, len(body), width)
    labels = _label_size(media_type)
    if rows.shape[1] != width + labels:
        beside = f" beside {labels} of labels" if labels else ""
        found = f"The rows of the body have {rows.shape[1]} columns; the model has {width} features{beside}."
        raise BadRequestError(found)
    features = rows[:, labels:]
    if not np.isfinite(features).all():
        row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
        raise BadRequestError(f"Row {row} of the body, counted from 0, has a cell that is no finite number.")
    return features


def _as_rows(array: Any, length: int, width: int) -> Array:
    """Return what a codec has read as rows; one dimension is one row, or rows of one feature."""
    if hasattr(array, "toarray"):
        check_size(array.shape[0] * max(array.shape[1], width) * _NUMBER, length)
        if array.shape[1] < width:  # as wide as its last cell, if it does not say it
            array.resize(array.shape[0], width)
        array = array.toarray()
    if array.dtype.kind not in "biuf":
        raise BadRequestError("The body holds something other than numbers.")
    if array.ndim == 1:
        array = array.reshape(-1, 1) if width == 1 else array.reshape(1, -1)
    if array.ndim != 2:
        raise BadRequestError(f"The body holds {array.ndim} dimensions; expected rows of features.")
    return np.asarray(array, float)


def _label_size(media_type: MediaType) -> int:
    value = media_type.parameters.get("label_size", "0")
    if not (value.isascii() and value.isdigit()):
        raise UnsupportedTypeError("The parameter `label_size` is no whole number.")
    return int(value[:9])
