"""The platform's SDK as a second opinion: writes files of recordio-protobuf, or prints what it reads of one.

    python sdk.py write FOLDER
    python sdk.py read FILE

Runs under an interpreter that has `sagemaker` 2; `write` has made tests/toolkit/golden/recordio.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sagemaker.amazon.common import (
    read_records,
    write_numpy_to_dense_tensor,
    write_spmatrix_to_sparse_tensor,
)

ROWS = [[1.5, -2.0, 0.25], [0.0, 1e10, -7.0], [3.0, 0.5, 2.0]]
LABELS = [1.0, 0.0, 2.5]


def write(folder: Path) -> None:
    """Write one file for each kind of number, and one of sparse rows."""
    for name in ("float32", "float64", "int32"):
        with (folder / f"{name}.recordio").open("wb") as file:
            whole = [[1, -2, 3], [2**31 - 1, -(2**31), 0], [300, 70000, 1]]
            dtype = "int64" if name == "int32" else name  # as the SDK takes them
            rows = np.array(whole if name == "int32" else ROWS, dtype)
            labels = np.array([1, 0, 2] if name == "int32" else LABELS, dtype)
            write_numpy_to_dense_tensor(file, rows, labels)
    with (folder / "sparse.recordio").open("wb") as file:
        from scipy import sparse  # which the SDK does not bring

        rows = sparse.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 0], [300, 0, -1]], np.float32))
        write_spmatrix_to_sparse_tensor(file, rows, np.array(LABELS, np.float32))


def read(path: Path) -> None:
    """Print values, keys and label of each record."""
    found = []
    with path.open("rb") as file:
        for record in read_records(file):
            value = record.features["values"]
            tensor = getattr(value, value.WhichOneof("value"))
            # A look at a name of a map would make it.
            label = record.label.get("values")
            labels = getattr(label, label.WhichOneof("value")).values if label else []
            found.append([list(tensor.values), list(tensor.keys), list(labels)])
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
