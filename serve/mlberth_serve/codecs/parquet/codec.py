"""`application/x-parquet`: a table; pyarrow, the extra `parquet`, reads and writes it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import EXACT_WHOLE, Array, Decoded, Table, check_names, check_size
from mlberth_serve.codecs.parquet.pages import check_pages
from mlberth_serve.codecs.values.arrays import as_array
from mlberth_serve.errors import BadRequestError, NotAcceptableError, RequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

_ROWS_AT_ONCE = 65536
_MAX_AT_ONCE = 16 * 1024 * 1024
_NUMBER, _OBJECT, _TEXT = 8, 32, 64
"""What is taken, in bytes, by a cell, by a number among text, and by a text beside its own bytes."""
_FOOTER = 40
"""How many times the bytes of the footer pyarrow makes of it."""
_MISSING = "Parquet needs pyarrow, which is not installed here (the extra parquet)."


# The columns become those of a two-dimensional array that knows their names. Numbers, booleans and text are
# read, nothing nested; a missing cell is nan. The array is float64, or with text in any column an object
# array.
def decode(body: bytes, media_type: MediaType) -> Decoded:  # noqa: ARG001 - a codec's signature
    """Return the table in a body; raises UnsupportedTypeError if pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise UnsupportedTypeError(_MISSING) from None
    try:
        return Decoded(_read(pa, parquet, body))
    except RequestError:
        raise
    except Exception:  # noqa: BLE001 - pyarrow raises ArrowInvalid, OSError, …
        raise BadRequestError("The body is not a parquet file.") from None


def _read(pa: Any, parquet: Any, body: bytes) -> Table:
    check_size(_FOOTER * min(len(body), int.from_bytes(body[-8:-4], "little")), len(body))
    metadata = parquet.read_metadata(io.BytesIO(body))
    if not metadata.num_rows or not metadata.num_columns:
        raise BadRequestError("The parquet body holds no rows.")
    pages = check_pages(body, metadata)
    leaves = map(metadata.schema.column, range(metadata.num_columns))
    names = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    # Text as dictionaries: a few bytes of one can stand for as many cells as there are rows.
    as_dictionary = [] if pages.has_delta else names
    file = parquet.ParquetFile(io.BytesIO(body), metadata=metadata, read_dictionary=as_dictionary)
    kinds = _kinds(pa, file.schema_arrow)
    check_names(file.schema_arrow.names)
    rows = _Rows(kinds, file.schema_arrow.names, metadata.num_rows, len(body))
    once = _ROWS_AT_ONCE
    if pages.has_delta or not all(map(_is_bounded, file.schema_arrow.types)):
        once = max(1, min(once, _MAX_AT_ONCE // max(1, pages.largest)))
    for batch in file.iter_batches(once, use_threads=False):
        rows.add(batch)
    return Table.of(rows.finish(), file.schema_arrow.names)


# An array of at most two dimensions; columns are named as they were, or "0", "1", ….
def encode(value: Any) -> bytes:
    """Write an array of at most two dimensions, uncompressed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
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


class _Rows:
    """The array that a file becomes, filled batch by batch."""

    def __init__(self, kinds: list[str], names: Sequence[str], height: int, length: int) -> None:
        """Refuse what takes more than a body of `length` bytes may."""
        self._kinds, self._names, self._length = kinds, names, length
        texts = kinds.count("text")
        self._size = height * (texts * _NUMBER + (len(kinds) - texts) * (_OBJECT if texts else _NUMBER))
        check_size(self._size, length)
        self._array = np.empty((height, len(kinds)), object if "text" in kinds else np.float64)
        self._end = 0
        self._has_text = False

    def add(self, batch: Any) -> None:
        """Put the rows of a batch below those that are there."""
        rows = self._array[self._end : self._end + len(batch)]
        for at, (kind, column) in enumerate(zip(self._kinds, batch.columns, strict=True)):
            rows[:, at] = self._texts(column) if kind == "text" else self._numbers(column, kind, at)
        self._end += len(batch)

    def finish(self) -> Array:
        """Return the array; raises BadRequestError if there were fewer rows than the file says."""
        if self._end != len(self._array):
            raise BadRequestError("The body is not a parquet file.")
        return (
            self._array if self._has_text or self._array.dtype != object else self._array.astype(np.float64)
        )

    def _texts(self, column: Any) -> Array:
        """Return a text for each cell, one for all that are alike, and nan for a missing one."""
        if not hasattr(column, "indices"):
            column = column.dictionary_encode()
        self._size += column.dictionary.nbytes + _TEXT * len(column.dictionary)
        check_size(self._size, self._length)
        texts = np.array([*column.dictionary.to_pylist(), np.nan], dtype=object)
        self._has_text |= column.null_count < len(column)
        places = column.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(texts[places])

    def _numbers(self, column: Any, kind: str, at: int) -> Any:
        if kind == "null":
            return np.nan
        if hasattr(column, "indices"):
            column = column.dictionary_decode()
        if kind == "float":
            return column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        zero = False if kind == "boolean" else 0
        cells = column.fill_null(zero).to_numpy(zero_copy_only=False)  # pyarrow makes objects of null
        if cells.dtype.itemsize == 8 and (lost := (cells > EXACT_WHOLE) | (cells < -EXACT_WHOLE)).any():
            row = int(lost.argmax())
            raise BadRequestError(
                f"Row {self._end + row} of the parquet body, counted from 0, has {cells[row]} in column "
                f"{at} ({self._names[at]!r:.64}); a table takes whole numbers up to 2**53."
            )
        if not column.null_count:
            return cells.astype(np.float64)
        return np.where(column.is_valid().to_numpy(zero_copy_only=False), cells, np.nan)


def _kinds(pa: Any, schema: Any) -> list[str]:
    """Return what the cells of each column are; raises BadRequestError for what is none of these."""
    tests = {
        "whole": (pa.types.is_integer,),
        "boolean": (pa.types.is_boolean,),
        "float": (pa.types.is_floating,),
        "text": (pa.types.is_string, pa.types.is_large_string),
        "null": (pa.types.is_null,),
    }
    kinds = []
    for field in schema:
        type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        found = [kind for kind, are in tests.items() if any(is_kind(type_) for is_kind in are)]
        if not found:
            raise BadRequestError("A column of the parquet body is neither numbers, booleans nor text.")
        kinds += found
    return kinds


def _is_bounded(type_: Any) -> bool:
    """Tell a type whose cells are read as they stand in a page, or as indices of its dictionary."""
    return hasattr(type_, "index_type") or str(type_) not in {"string", "large_string"}
