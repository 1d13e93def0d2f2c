"""What a parquet file says of its pages."""

from __future__ import annotations

import io
from typing import Any

import pytest

from mlberth_serve.codecs.parquet import pages

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TYPES = {"BOOLEAN": 0, "INT32": 1, "INT64": 2, "DOUBLE": 5, "BYTE_ARRAY": 6}


@pytest.mark.parametrize("rows", [1, 50])
@pytest.mark.parametrize(
    "options",
    [{}, {"use_dictionary": False}, {"write_statistics": False}, {"compression": "zstd"}],
    ids=["default", "no dictionaries", "no statistics", "packed"],
)
def test_chunks_are_those_that_pyarrow_finds(rows: int, options: dict[str, Any]) -> None:
    """In a file of several groups and types, with and without what a footer may have besides."""
    table = pa.table(
        {"a": range(rows), "b": [str(row) for row in range(rows)], "c": pa.nulls(rows), "d": [0.5] * rows}
    )
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=7, data_page_size=16, **options)
    body = file.getvalue()
    metadata = pq.read_metadata(io.BytesIO(body))
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    assert [
        (chunk[pages.TYPE], *map(chunk.get, (pages.NUM_VALUES, pages.COMPRESSED_SIZE, pages.DATA_PAGE)))
        for chunk in pages.read_chunks(body, metadata)
    ] == [
        (TYPES[chunk.physical_type], chunk.num_values, chunk.total_compressed_size, chunk.data_page_offset)
        for group in groups
        for chunk in map(group.column, range(metadata.num_columns))
    ]
