"""From files to XGBoost's DMatrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sagemaker_xgboost_container.libsvm import read_file

_DELIMITERS = ",\t;| "
_CSV = frozenset({"csv", "text/csv"})
_LIBSVM = frozenset({"libsvm", "text/libsvm", "text/x-libsvm"})


def get_dmatrix(data_path: str, content_type: str, csv_weights: int = 0) -> Any:
    """Return all rows below a file or folder: in CSV the label stands first, then the weight if there is one.

    LIBSVM is what XGBoost's own reader makes of it: weights, groups, and columns that count from 0.

    Raises ValueError for a content type other than CSV and LIBSVM, and where there is no file.
    """
    import xgboost

    name = content_type.partition(";")[0].strip().lower()
    if name not in _CSV | _LIBSVM:
        raise ValueError(
            f"content type {content_type!r}; expected one of {', '.join(sorted(_CSV | _LIBSVM))}"
        )
    text = _read(Path(data_path))
    if name in _LIBSVM:
        return read_file(text).to_dmatrix()
    rows = read_csv(text)
    if csv_weights:
        return xgboost.DMatrix(rows[:, 2:], label=rows[:, 0], weight=rows[:, 1])
    return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])


def read_csv(text: str) -> Any:
    """Return the rows as an array of two dimensions; an empty cell is nan, line one shows the delimiter."""
    import numpy as np

    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    delimiter = next((delimiter for delimiter in _DELIMITERS if delimiter in first), ",")
    rows = [[cell.strip() or "nan" for cell in line.split(delimiter)] for line in lines]
    return np.array(rows).astype(float)


def _read(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in files if not file.name.startswith((".", "_"))]
    if not any(file.exists() for file in files):
        raise ValueError(f"no file at {path}")
    return "\n".join(file.read_text() for file in files)
