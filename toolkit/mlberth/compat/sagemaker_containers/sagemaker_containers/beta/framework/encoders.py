"""Between arrays and bodies, in both directions."""

from __future__ import annotations

from typing import Any

from mlberth.compat.arrays import (
    Convert,
    array_to_csv,
    array_to_json,
    array_to_npy,
    csv_to_numpy,
    json_to_numpy,
    look_up,
    npy_to_numpy,
)
from sagemaker_containers.beta.framework import content_types, errors

__all__ = [
    "array_to_csv",
    "array_to_json",
    "array_to_npy",
    "csv_to_numpy",
    "decode",
    "encode",
    "json_to_numpy",
    "npy_to_numpy",
]

_ENCODERS: dict[str, Convert] = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
_DECODERS: dict[str, Convert] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
}


def encode(array_like: Any, content_type: str) -> Any:
    """Return a body, text for CSV and JSON; raises UnsupportedFormatError."""
    return look_up(_ENCODERS, content_type, errors.UnsupportedFormatError)(array_like)


def decode(obj: Any, content_type: str) -> Any:
    """Return an array; raises UnsupportedFormatError."""
    return look_up(_DECODERS, content_type, errors.UnsupportedFormatError)(obj)
