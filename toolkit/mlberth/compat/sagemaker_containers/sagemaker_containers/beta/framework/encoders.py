"""Between arrays and bodies, in both directions."""

from __future__ import annotations

from mlberth.compat.arrays import (
    array_to_csv,
    array_to_json,
    array_to_npy,
    array_to_recordio_protobuf,
    csv_to_numpy,
    json_to_numpy,
    npy_to_numpy,
)
from mlberth.compat.training.coding import decode, encode

__all__ = [
    "array_to_csv",
    "array_to_json",
    "array_to_npy",
    "array_to_recordio_protobuf",
    "csv_to_numpy",
    "decode",
    "encode",
    "json_to_numpy",
    "npy_to_numpy",
]
