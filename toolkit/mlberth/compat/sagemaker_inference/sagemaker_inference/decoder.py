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

_csv_to_numpy, _json_to_numpy = csv_to_numpy, json_to_numpy
_npy_to_numpy, _npz_to_sparse = npy_to_numpy, npz_to_sparse
_decoder_map: dict[str, Convert] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}
SUPPORTED_CONTENT_TYPES = set(_decoder_map)


def decode(obj: Any, content_type: str) -> Any:
    """Return an array, or a sparse matrix of NPZ; raises UnsupportedFormatError."""
    return look_up(_decoder_map, content_type, errors.UnsupportedFormatError)(obj)
