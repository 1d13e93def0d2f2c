"""`application/x-parquet` both ways."""

from __future__ import annotations

import io
import sys
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings

from mlberth_serve.codecs import parquet
from mlberth_serve.errors import BadRequestError, NotAcceptableError, RequestError, UnsupportedTypeError
from mlberth_serve.media_types import PARQUET, parse_content_type

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def decode(body: bytes) -> Any:
    """Read a body."""
    return parquet.decode(body, parse_content_type(PARQUET)).array


def written(columns: dict[str, Any], **options: Any) -> bytes:
    """Return a parquet file of columns."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


@settings(deadline=None)
@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4)))
def test_reads_back_what_it_wrote(array: Any) -> None:
    """Every array of numbers comes back the same."""
    np.testing.assert_array_equal(decode(parquet.encode(array)), array)


def test_columns_keep_their_names() -> None:
    """A table knows its columns, and is written with them."""
    table = decode(written({"age": [1, 2], "size": [0.5, None]}))
    assert table.columns == ("age", "size")
    np.testing.assert_array_equal(table, [[1, 0.5], [2, np.nan]])
    assert decode(parquet.encode(table)).columns == ("age", "size")


def test_text_and_missing_cells() -> None:
    """Text stays text, a missing cell is nan, a boolean is a number."""
    table = decode(written({"a": ["x", None], "b": [1, None], "c": [True, False]}))
    assert table.dtype == object
    assert table[0].tolist() == ["x", 1.0, 1.0]
    assert np.isnan(table[1, 0])
    assert np.isnan(table[1, 1])
    assert decode(written({"c": [True, None]}))[0, 0] == 1.0


@pytest.mark.parametrize(
    "body", [b"PAR1", b"x" * 100, b"PAR1" + b"\xff" * 40 + b"PAR1"], ids=["short", "other", "no footer"]
)
def test_damaged_file_is_refused(body: bytes) -> None:
    """What is not parquet is 400."""
    with pytest.raises(BadRequestError):
        decode(body)


def test_nested_and_empty_tables_are_refused() -> None:
    """Lists in cells, and tables without rows, are 400."""
    with pytest.raises(BadRequestError, match="neither numbers"):
        decode(written({"a": [[1], [2]]}))
    with pytest.raises(BadRequestError, match="no rows"):
        decode(written({"a": pa.array([], pa.int64())}))


def test_bomb_is_refused() -> None:
    """A few kilobytes that stand for a gigabyte of cells are 413, before they are unpacked."""
    zeros = pa.DictionaryArray.from_arrays(pa.array(np.zeros(70_000_000, dtype=np.int8)), pa.array([0.0]))
    body = written({"a": zeros}, compression="zstd")
    assert len(body) < 1_000_000
    with pytest.raises(RequestError) as caught:
        decode(body)
    assert caught.value.status == 413


def test_missing_pyarrow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the type is not read, nor written, and the extra is named."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnsupportedTypeError, match="extra parquet"):
        decode(b"PAR1")
    with pytest.raises(NotAcceptableError, match="extra parquet"):
        parquet.encode([1])
