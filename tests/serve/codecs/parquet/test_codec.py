"""`application/x-parquet` both ways."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings

from mlberth_serve.codecs.parquet import codec as parquet
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


def repeated(value: Any, count: int) -> Any:
    """Return a column of one value, which is stored once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value]))


def test_dictionary_is_not_expanded() -> None:
    """A text that stands once in the file stands once in memory, for however many cells."""
    body = written({"a": repeated("x" * 1_000_000, 65536)}, compression="gzip", store_schema=False)
    assert len(body) < 2000
    table = decode(body)
    assert table.shape == (65536, 1)
    assert len({id(cell) for cell in table[:, 0]}) == 1


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {"use_dictionary": False},
    "dictionary": {},
    "fallback": {"dictionary_pagesize_limit": 64},
    "delta": {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    "lengths": {"use_dictionary": False, "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}},
    "newer pages": {"data_page_version": "2.0"},
    "small pages": {"data_page_size": 64, "row_group_size": 300},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_every_encoding_is_read_as_pandas_reads_it(
    options: dict[str, Any], compression: str, type_: Any
) -> None:
    """However the writer laid it out, the cells are those that pyarrow gives."""
    places = np.random.default_rng(0).integers(0, 300, 1000)
    columns = {
        "text": pa.array([f"prefix{place}" if place else None for place in places], type_),
        "whole": pa.array([int(place) if place % 7 else None for place in places]),
        "half": pa.array(places.astype(np.float16)),
        "flag": pa.array([bool(place % 2) if place % 5 else None for place in places]),
        "byte": pa.array((places % 100).astype(np.int8)),
        "nothing": pa.nulls(1000),
    }
    body = written(columns, compression=compression, **options)
    frame = pq.read_table(io.BytesIO(body)).to_pydict()
    rows = zip(*frame.values(), strict=True)
    expected = [[float("nan") if cell is None else cell for cell in row] for row in rows]
    expected = [[cell if isinstance(cell, str) else float(cell) for cell in row] for row in expected]
    assert repr(decode(body).tolist()) == repr(expected)


def test_pages_that_the_footer_denies_are_refused() -> None:
    """What a page unpacks to is taken from the page, whatever the footer says of the whole."""
    body = bytearray(written({"a": ["x" * 200_000_000]}, use_dictionary=False, compression="gzip"))
    size = pq.read_metadata(io.BytesIO(body)).row_group(0).column(0).total_uncompressed_size
    true = _zigzag(size)
    lied = bytes(body).replace(true, b"\x82" + b"\x80" * (len(true) - 2) + b"\0")  # as long, and 1
    assert pq.read_metadata(io.BytesIO(lied)).row_group(0).column(0).total_uncompressed_size < 2
    for each in (bytes(body), lied):
        with pytest.raises(RequestError) as caught:
            decode(each)
        assert caught.value.status == 413


def _zigzag(value: int) -> bytes:
    value, octets = value << 1, bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*octets, value))


def test_delta_is_bounded_by_its_values() -> None:
    """Values that each repeat the one before are counted as long as they are, not as they are stored."""
    texts = ["x" * 1_000_000 + str(number) for number in range(1000)]
    body = written({"text": texts}, **{**OPTIONS["delta"], "compression": "zstd"})
    assert len(body) < 10_000
    with pytest.raises(RequestError) as caught:
        decode(body)
    assert caught.value.status == 413


def test_whole_numbers_that_no_float_is_are_refused_with_their_place() -> None:
    """A table is of floats: beyond 2**53 they would be other numbers."""
    assert decode(written({"a": [2**53, None]}))[0, 0] == 2**53
    with pytest.raises(BadRequestError, match=r"Row 1 .* 9007199254740993 in column 1 \('id'\)"):
        decode(written({"a": [1, 2], "id": pa.array([1, 2**53 + 1])}))


def test_column_named_twice_is_refused() -> None:
    """One of the two would be lost."""
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    file = io.BytesIO()
    pq.write_table(table, file)
    with pytest.raises(BadRequestError, match="name of another"):
        decode(file.getvalue())


def test_no_bit_of_the_footer_ends_the_process() -> None:
    """Each bit flipped, in a process of its own: pyarrow throws through code of C for some of them."""
    body = written({"a": [1, None], "b": ["x", None]}, compression="none")
    done = subprocess.run([sys.executable, "-c", FLIPS], input=body, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    read, refused = map(int, done.stdout.split())
    assert read > 0
    assert refused > 1000


FLIPS = """
import sys
from mlberth_serve.codecs.parquet import codec
from mlberth_serve.errors import RequestError

body = bytearray(sys.stdin.buffer.read())
read = refused = 0
for position in range(len(body) - 8 - int.from_bytes(body[-8:-4], "little"), len(body)):
    for bit in range(8):
        body[position] ^= 1 << bit
        try:
            codec.decode(bytes(body), None)
            read += 1
        except RequestError as error:
            assert 400 <= error.status < 500, error
            refused += 1
        body[position] ^= 1 << bit
print(read, refused)
"""
