"""From arrays to bodies."""

from __future__ import annotations

from typing import Any

from mlberth.compat.arrays import Convert, array_to_csv, array_to_json, array_to_npy, look_up
from sagemaker_inference import content_types, errors

_array_to_csv, _array_to_json, _array_to_npy = array_to_csv, array_to_json, array_to_npy
_encoder_map: dict[str, Convert] = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
SUPPORTED_CONTENT_TYPES = set(_encoder_map)


def encode(array_like: Any, content_type: str) -> Any:
    """Return a body, text for CSV and JSON; raises UnsupportedFormatError."""
    return look_up(_encoder_map, content_type, errors.UnsupportedFormatError)(array_like)
