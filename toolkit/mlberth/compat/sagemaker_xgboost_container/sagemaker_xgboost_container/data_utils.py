"""From files to XGBoost's DMatrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_DELIMITERS = ",\t;| "
_CSV = frozenset({"csv", "text/csv"})
_LIBSVM = frozenset({"libsvm", "text/libsvm", "text/x-libsvm"})


def get_dmatrix(data_path: str, content_type: str, csv_weights: int = 0) -> Any:
    """Return all rows below a file or folder: in CSV the label stands first, then the weight if there is one.

    Raises ValueError for a content type other than CSV and LIBSVM, and where there is no file.
    """
    import xgboost  # noqa: PLC0415 - needed only here

    name = content_type.partition(";")[0].strip().lower()
    if name not in _CSV | _LIBSVM:
        raise ValueError(
            f"content type {content_type!r}; expected one of {', '.join(sorted(_CSV | _LIBSVM))}"
        )
    text = _read(Path(data_path))
    if name in _LIBSVM:
        features, labels = read_libsvm(text)
        return xgboost.DMatrix(features, label=labels)
    rows = read_csv(text)
    if csv_weights:
        return xgboost.DMatrix(rows[:, 2:], label=rows[:, 0], weight=rows[:, 1])
    return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])


def read_csv(text: str) -> Any:
    """Return the rows as an array of two dimensions; an empty cell is nan, line one shows the delimiter."""
    import numpy as np  # noqa: PLC0415 - needed only here

    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    delimiter = next((delimiter for delimiter in _DELIMITERS if delimiter in first), ",")
    rows = [[cell.strip() or "nan" for cell in line.split(delimiter)] for line in lines]
    return np.array(rows).astype(float)


def read_libsvm(text: str) -> tuple[Any, Any]:
    """Return a sparse matrix and the labels of `label index:value …` lines."""
    import numpy as np  # noqa: PLC0415 - needed only here
    from scipy import sparse  # noqa: PLC0415 - the same

    labels, values, columns, starts = [], [], [], [0]
    for line in text.splitlines():
        label, *cells = line.partition("#")[0].split() or [""]
        if not label:
            continue
        labels.append(float(label.partition(":")[0]))
        for cell in cells:
            index, _, value = cell.partition(":")
            if index != "qid":
                columns.append(int(index))
                values.append(float(value))
        starts.append(len(values))
    return sparse.csr_matrix((values, columns, starts), dtype=np.float32), np.array(labels)


def _read(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    files = [file for file in files if not file.name.startswith((".", "_"))]
    if not any(file.exists() for file in files):
        raise ValueError(f"no file at {path}")
    return "\n".join(file.read_text() for file in files)
