"""`application/x-parquet`: a table; pyarrow, the extra `parquet`, reads and writes it.

Reading: the columns become those of a two-dimensional array that knows their names. Numbers, booleans
and text are read, nothing nested; a missing cell is nan. The array is float64, or with text in any column
an object array.

Writing: an array of at most two dimensions; columns are named as they were, or "0", "1", ….
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import Array, Decoded, Table, as_array, check_size
from mlberth_serve.errors import BadRequestError, NotAcceptableError, RequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_CELL = 8
_ROWS_AT_ONCE = 65536
_MISSING = "Parquet needs pyarrow, which is not installed here (the extra parquet)."


def decode(body: bytes, media_type: MediaType) -> Decoded:  # noqa: ARG001 - a codec's signature
    """Return the table in a body; raises UnsupportedTypeError where pyarrow is not installed."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - heavy, and only these bodies need it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise UnsupportedTypeError(_MISSING) from None
    try:
        file = parquet.ParquetFile(io.BytesIO(body))
        metadata, schema = file.metadata, file.schema_arrow
        groups = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
        check_size(sum(groups))
        check_size(metadata.num_rows * len(schema) * _CELL)
        _check_types(pa, schema)
        batches, size = [], 0
        for batch in file.iter_batches(_ROWS_AT_ONCE, use_threads=False):
            size += batch.nbytes
            check_size(size)  # what the file says of its size need not be true
            batches.append(batch)
    except RequestError:
        raise
    except Exception:  # noqa: BLE001 - pyarrow raises ArrowInvalid, OSError, …
        raise BadRequestError("The body is not a parquet file.") from None
    table = pa.Table.from_batches(batches, schema)
    if not table.num_rows or not table.num_columns:
        raise BadRequestError("The parquet body holds no rows.")
    return Decoded(Table.of(_to_array(table), table.column_names))


def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions, uncompressed."""
    try:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise NotAcceptableError(_MISSING) from None
    names = getattr(value, "columns", ())
    array = np.atleast_1d(as_array(value))
    if array.ndim > 2:
        raise ValueError(f"parquet holds at most two dimensions, not {array.ndim}")
    columns = array.reshape(len(array), -1).T
    names = [str(name) for name in (names if len(names) == len(columns) else range(len(columns)))]
    table = pa.table([pa.array(np.ascontiguousarray(column)) for column in columns], names)
    file = io.BytesIO()
    parquet.write_table(table, file, compression="none")
    return file.getvalue()


def _check_types(pa: Any, schema: Any) -> None:
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        known = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
        text = (pa.types.is_string, pa.types.is_large_string)
        if not any(is_kind(kind) for is_kind in (*known, *text)):
            raise BadRequestError("A column of the parquet body is neither numbers, booleans nor text.")


def _to_array(table: Any) -> Array:
    columns = [column.to_numpy() for column in table.columns]
    if all(column.dtype.kind in "iuf" for column in columns):
        return np.column_stack(columns).astype(np.float64)
    rows = np.empty((table.num_rows, table.num_columns), dtype=object)
    for index, column in enumerate(table.columns):
        cells = [np.nan if cell is None else cell for cell in column.to_pylist()]
        rows[:, index] = [float(cell) if isinstance(cell, int) else cell for cell in cells]
    has_text = any(isinstance(cell, str) for cell in rows.flat)
    return rows if has_text else rows.astype(np.float64)
