"""From files to XGBoost's DMatrix."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mlberth.compat import recordio
from mlberth.compat.libsvm import read_file
from sagemaker_algorithm_toolkit.exceptions import UserError

CSV, LIBSVM, PARQUET, RECORDIO_PROTOBUF = "csv", "libsvm", "parquet", "recordio-protobuf"
_NAMES = {
    CSV: CSV,
    "text/csv": CSV,
    LIBSVM: LIBSVM,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    PARQUET: PARQUET,
    "application/x-parquet": PARQUET,
    RECORDIO_PROTOBUF: RECORDIO_PROTOBUF,
    "application/x-recordio-protobuf": RECORDIO_PROTOBUF,
}
VALID_CONTENT_TYPES = [*_NAMES]
_DELIMITERS = ",\t;| "

log = logging.getLogger(__name__)


class DataError(UserError, ValueError):
    """Data that cannot be read."""


def get_content_type(content_type_cfg_val: str | None) -> str:
    """Return the format of a content type, LIBSVM if there is none; raises UserError for another."""
    if content_type_cfg_val is None:
        return LIBSVM
    name, *parameters = (part.strip() for part in content_type_cfg_val.lower().split(";"))
    if name not in _NAMES:
        raise DataError(f"content type {content_type_cfg_val!r}; expected one of {', '.join(_NAMES)}")
    sizes = [
        value.strip()
        for key, _, value in (one.partition("=") for one in parameters)
        if key.strip() == "label_size"
    ]
    if _NAMES[name] == CSV and sizes not in ([], ["1"]):
        raise DataError(f"content type {content_type_cfg_val!r}; expected label_size=1, or none")
    return _NAMES[name]


def get_dmatrix(
    data_path: str | list[str] | None, content_type: str | None, csv_weights: int = 0, is_pipe: bool = False
) -> Any:
    """Return all rows below a file, a folder or several; in CSV and parquet the label stands first.

    In CSV a weight may be next. LIBSVM is what XGBoost's own reader makes of it: weights, groups, and
    columns that count from 0. With `is_pipe` the paths are channels in Pipe mode. Raises UserError for what
    cannot be read, and if there is no file.
    """
    # None is the variable of a channel that the job has not.
    paths = [data_path] if isinstance(data_path, str | Path) else data_path or []
    if is_pipe:
        paths = [f"{path}_0" for path in paths]
    form = get_content_type(content_type)
    try:
        return _READERS[form](_files(paths), csv_weights)
    except DataError:
        raise
    except (ValueError, OSError) as error:
        raise DataError(f"{', '.join(map(str, paths))}: {error}") from error


def get_csv_dmatrix(path: str, csv_weights: int, is_pipe: bool = False) -> Any:
    """Return the rows of CSV."""
    return get_dmatrix(path, CSV, csv_weights, is_pipe)


def get_libsvm_dmatrix(files_path: str, is_pipe: bool = False) -> Any:
    """Return the rows of LIBSVM."""
    return get_dmatrix(files_path, LIBSVM, 0, is_pipe)


def get_parquet_dmatrix(path: str, is_pipe: bool = False) -> Any:
    """Return the rows of parquet."""
    return get_dmatrix(path, PARQUET, 0, is_pipe)


def get_recordio_protobuf_dmatrix(path: str, is_pipe: bool = False) -> Any:
    """Return the rows of recordio-protobuf."""
    return get_dmatrix(path, RECORDIO_PROTOBUF, 0, is_pipe)


def get_size(data_path: str, is_pipe: bool = False) -> int:
    """Return how many bytes are below a file or a folder; 1 for a channel in Pipe mode that is there."""
    path = Path(data_path)
    if is_pipe and Path(f"{path}_0").exists():
        return 1
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    if hidden := [file.name for file in files if file.name.startswith(".")]:
        raise DataError(f"the hidden file {hidden[0]!r} in {path}; expected data alone")
    return sum(file.stat().st_size for file in files if file.exists())


def validate_data_file_path(data_path: str, content_type: str | None) -> None:
    """Raise UserError for a content type that is not known, and for a path with no file."""
    get_content_type(content_type)
    _files([data_path])


def check_data_redundancy(train_path: str, validate_path: str) -> None:
    """Log a warning for files that both folders have, by name and size."""
    sizes = [
        {(file.name, file.stat().st_size) for file in Path(path).iterdir() if file.is_file()}
        for path in (train_path, validate_path)
    ]
    for name, size in sorted(sizes[0] & sizes[1]):
        log.warning("%s, of %d bytes, is in %s and in %s", name, size, train_path, validate_path)


def read_csv(text: str) -> Any:
    """Return the rows as an array of two dimensions; an empty cell is nan, line one shows the delimiter."""
    import numpy as np

    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    delimiter = next((delimiter for delimiter in _DELIMITERS if delimiter in first), ",")
    rows = [[cell.strip() or "nan" for cell in line.split(delimiter)] for line in lines]
    return np.array(rows).astype(float)


def _read_csv_files(files: list[Path], csv_weights: int) -> Any:
    return _labelled(read_csv(_text(files)), csv_weights)


def _read_libsvm_files(files: list[Path], csv_weights: int) -> Any:  # noqa: ARG001 - one shape for all readers
    return read_file(_text(files)).to_dmatrix()


def _read_parquet_files(files: list[Path], csv_weights: int) -> Any:  # noqa: ARG001 - the same
    import numpy as np
    import pyarrow.parquet

    tables = [pyarrow.parquet.read_table(str(file)) for file in files]
    return _labelled(np.concatenate([table.to_pandas().to_numpy() for table in tables]), 0)


def _read_recordio_files(files: list[Path], csv_weights: int) -> Any:  # noqa: ARG001 - the same
    import xgboost

    records = recordio.read(b"".join(file.read_bytes() for file in files))
    return xgboost.DMatrix(records.features, label=records.labels)


_READERS: dict[str, Callable[[list[Path], int], Any]] = {
    CSV: _read_csv_files,
    LIBSVM: _read_libsvm_files,
    PARQUET: _read_parquet_files,
    RECORDIO_PROTOBUF: _read_recordio_files,
}


def _labelled(rows: Any, weights: int) -> Any:
    import xgboost

    if weights:
        return xgboost.DMatrix(rows[:, 2:], label=rows[:, 0], weight=rows[:, 1])
    return xgboost.DMatrix(rows[:, 1:], label=rows[:, 0])


def _files(paths: Iterable[str | Path]) -> list[Path]:
    files = [file for path in paths for file in _below(path)]
    if not files:
        raise DataError(f"no file at {', '.join(map(str, paths)) or 'any path'}")
    return files


def _below(path: str | Path) -> Iterator[Path]:
    top = Path(path)
    files = sorted(file for file in top.rglob("*") if file.is_file()) if top.is_dir() else [top]
    yield from (file for file in files if file.exists() and not file.name.startswith((".", "_")))


def _text(files: list[Path]) -> str:
    return "\n".join(file.read_text() for file in files)
