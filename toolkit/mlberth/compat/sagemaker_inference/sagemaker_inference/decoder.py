"""From bodies to arrays."""

from __future__ import annotations

from typing import Any

from mlberth.compat.arrays import (
    Convert,
    csv_to_numpy,
    json_to_numpy,
    look_up,
    npy_to_numpy,
    npz_to_sparse,
)
from sagemaker_inference import content_types, errors

_DECODERS: dict[str, Convert] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}


def decode(obj: Any, content_type: str) -> Any:
    """Return an array, or a sparse matrix of NPZ; raises UnsupportedFormatError."""
    return look_up(_DECODERS, content_type, errors.UnsupportedFormatError)(obj)
