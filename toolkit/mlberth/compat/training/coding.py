"""The encoders and decoders of both toolkits for training, by media type."""

from __future__ import annotations

from typing import Any

from mlberth.compat.arrays import (
    Convert,
    array_to_csv,
    array_to_json,
    array_to_npy,
    array_to_recordio_protobuf,
    csv_to_numpy,
    json_to_numpy,
    look_up,
    npy_to_numpy,
)
from mlberth.compat.training.errors import UnsupportedFormatError

_NPY, _CSV, _JSON = "application/x-npy", "text/csv", "application/json"
_ENCODERS: dict[str, Convert] = {
    _NPY: array_to_npy,
    _CSV: array_to_csv,
    _JSON: array_to_json,
    "application/x-recordio-protobuf": array_to_recordio_protobuf,
}
_DECODERS: dict[str, Convert] = {_NPY: npy_to_numpy, _CSV: csv_to_numpy, _JSON: json_to_numpy}


def encode(array_like: Any, content_type: str) -> Any:
    """Return a body, text for CSV and JSON; raises UnsupportedFormatError."""
    return look_up(_ENCODERS, content_type, UnsupportedFormatError)(array_like)


def decode(obj: Any, content_type: str) -> Any:
    """Return an array; raises UnsupportedFormatError."""
    return look_up(_DECODERS, content_type, UnsupportedFormatError)(obj)
