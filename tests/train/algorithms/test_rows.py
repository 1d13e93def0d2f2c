"""The data of channels as arrays."""

from __future__ import annotations

import csv
import gzip
import io
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from tests.differential import differential

from mlberth.channels import Tensor, write_example, write_records
from mlberth.channels.examples import to_tensor
from mlberth.contract.channels import Channel
from mlberth.errors import ContractError
from mlberth_train.algorithms.channels import ChannelRule
from mlberth_train.algorithms.rows import Rows, read_rows

RULE = ChannelRule("train", label_sizes=(1, 0, 2))
NAN = float("nan")


def channel(folder: Path, content_type: str, mode: str = "File", /, **files: bytes) -> Channel:
    """Return a channel with files; `__` in a name is a dot."""
    path = folder / "train"
    path.mkdir()
    for name, data in files.items():
        (path / name.replace("__", ".")).write_bytes(data)
    return Channel("train", path, mode, content_type)


def rows_of(found: Channel, **options: Any) -> Rows:
    """Return the rows of a channel that has some."""
    rows = read_rows(found, RULE, **options)
    assert rows is not None
    return rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_csv(tmp_path: Path, delimiter: str) -> None:
    """The label stands first; files come in the order of their names; the first line shows the delimiter."""
    first, second = b"1,2,3\n\n0,4,5\r\n", b'"2",6,7'
    found = channel(tmp_path, "text/csv", b=second.replace(b",", delimiter.encode()))
    (found.path / "a").write_bytes(first.replace(b",", delimiter.encode()))
    rows = rows_of(found)
    assert rows.features.tolist() == [[2, 3], [4, 5], [6, 7]]
    assert rows.labels.tolist() == [1, 0, 2]
    assert (rows.height, rows.width, rows.features.dtype) == (3, 2, np.float32)


def test_empty_cells_of_csv_are_missing_values(tmp_path: Path) -> None:
    """At each place of a line."""
    rows = rows_of(channel(tmp_path, "text/csv;label_size=0", a=b",1,,\n2,,,\n,, ,3\n"))
    expected = [[NAN, 1, NAN, NAN], [2, NAN, NAN, NAN], [NAN, NAN, NAN, 3]]
    assert np.array_equal(rows.features, expected, equal_nan=True)
    assert rows.labels is None


CELL = st.one_of(st.just(""), st.floats(-1e6, 1e6, width=32).map(repr), st.integers(-99, 99).map(str))


@differential(100)
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)
    ),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_csv_is_what_pythons_reader_finds(rows: list[list[str]], end: str, delimiter: str) -> None:
    """The fast way reads the same numbers, wherever a cell is empty."""
    text = end.join(delimiter.join(row) for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.csv").write_bytes(text.encode())
        found = rows_of(Channel("train", Path(folder), "File", "text/csv;label_size=0")).features
    read = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    expected = np.array([[float(cell or "nan") for cell in row] for row in read], np.float32)
    assert np.array_equal(found, expected, equal_nan=True)


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    """Its mark of UTF-8 at the beginning is no part of the first cell, and tabs may begin a line."""
    rows = rows_of(channel(tmp_path, "text/csv;label_size=0", a=b"\xef\xbb\xbf\t1\r\n2\t3\r\n"))
    assert np.array_equal(rows.features, [[NAN, 1.0], [2.0, 3.0]], equal_nan=True)


def test_weights_and_several_labels_of_csv(tmp_path: Path) -> None:
    """Weights stand after the labels."""
    rows = rows_of(channel(tmp_path, "text/csv;label_size=2", a=b"1,2,0.5,9\n3,4,0.25,8\n"), weights=True)
    assert (rows.labels.tolist(), rows.weights.tolist()) == ([[1, 2], [3, 4]], [0.5, 0.25])
    assert rows.features.tolist() == [[9], [8]]


@pytest.mark.parametrize(
    ("data", "where", "found"),
    [
        (b"label,a\n1,2\n", "line 1, column 1", "'label'"),
        (b"1,2\n\n1,x\n", "line 3, column 2", "'x'"),
        (b"1,2\n1,2,3\n", "line 2", "3 columns"),
        (b"1\n2\n", "a", "rows of 1 columns"),
        (gzip.compress(b"1,2\n" * 100, mtime=0)[:-10], "a", "broken gzip"),
    ],
)
def test_csv_that_cannot_be_read(tmp_path: Path, data: bytes, where: str, found: str) -> None:
    """The error names file, line and cell."""
    with pytest.raises(ContractError) as caught:
        read_rows(channel(tmp_path, "text/csv", a=data), RULE)
    (fault,) = caught.value.faults
    assert fault.where.endswith(where)
    assert fault.where.startswith(str(tmp_path))
    assert fault.found.startswith(found)


def test_files_of_different_widths(tmp_path: Path) -> None:
    """Dense files must agree."""
    with pytest.raises(ContractError, match="rows of 1 and 2 columns"):
        read_rows(channel(tmp_path, "text/csv", a=b"1,2\n", b=b"1,2,3\n"), RULE)


def test_files_that_hold_no_data(tmp_path: Path) -> None:
    """Hidden files and those that begin with _ are not read; without any row the channel is empty."""
    found = channel(tmp_path, "text/csv", _SUCCESS=b"x", a=b"\n")
    (found.path / ".part.crc").write_bytes(b"\0")
    assert read_rows(found, RULE) is None


def test_libsvm(tmp_path: Path) -> None:
    """Columns count from 0; weights and groups are kept; a narrower file is widened; gzip is unpacked."""
    first = b"1:0.5 qid:1 0:1 3:2\n0:0.25 qid:1 1:5 # c\n"
    rows = rows_of(channel(tmp_path, "text/libsvm", a=gzip.compress(first), b=b"2:1 qid:2 0:7\n"))
    assert rows.features.toarray().tolist() == [[1, 0, 0, 2], [0, 5, 0, 0], [7, 0, 0, 0]]
    assert (rows.labels.tolist(), rows.weights.tolist()) == ([1, 0, 2], [0.5, 0.25, 1])
    assert rows.groups.tolist() == [2, 1]


def test_libsvm_that_cannot_be_read(tmp_path: Path) -> None:
    """The error names file and line."""
    with pytest.raises(ContractError, match=r"train/a: line 2 of the libsvm text"):
        read_rows(channel(tmp_path, "text/libsvm", a=b"1 0:1\n1 0=1\n"), RULE)


def test_parquet(tmp_path: Path) -> None:
    """The first column is the label, and nulls are missing values."""
    file = tmp_path / "a.parquet"
    columns = {"y": [1, 0], "a": [0.5, None], "b": [True, False]}
    parquet.write_table(pa.table(columns), file)
    rows = rows_of(channel(tmp_path, "parquet", a__parquet=file.read_bytes()))
    assert rows.labels.tolist() == [1, 0]
    assert np.array_equal(rows.features, [[0.5, 1], [NAN, 0]], equal_nan=True)
    (tmp_path / "train/b.parquet").write_bytes(b"no parquet")
    with pytest.raises(ContractError, match=r"b\.parquet"):
        read_rows(Channel("train", tmp_path / "train", content_type="parquet"), RULE)


def frames(*examples: bytes) -> bytes:
    """Return examples as RecordIO."""
    stream = io.BytesIO()
    write_records(stream, examples)
    return stream.getvalue()


def test_recordio_protobuf(tmp_path: Path) -> None:
    """Dense records are an array, sparse ones a matrix of the widest."""
    dense = frames(write_example([1.0, 2.0], 1), write_example([3.0, 4.0], 0))
    rows = rows_of(channel(tmp_path, "application/x-recordio-protobuf", a=dense))
    assert rows.features.tolist() == [[1, 2], [3, 4]]
    assert rows.labels.tolist() == [1, 0]
    sparse = {"values": to_tensor([5.0, 6.0], [0, 3], 6)}
    (tmp_path / "train/a").write_bytes(frames(write_example(sparse, 1.5), write_example([3.0, 4.0], 0)))
    rows = rows_of(Channel("train", tmp_path / "train", content_type="recordio-protobuf"))
    assert rows.features.toarray().tolist() == [[5, 0, 0, 6, 0, 0], [3, 4, 0, 0, 0, 0]]
    assert rows.labels.tolist() == [1.5, 0]


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ((write_example([1.0], 1), write_example([1.0, 2.0], 1)), "record 2: found 2 features"),
        ((write_example([1.0]),), "record 1: found labels under no name"),
        ((write_example({"a": b"x"}, 1),), "record 1: found features under a"),
        (
            (write_example([1.0], labels={"values": Tensor(to_tensor([1, 2]).values)}),),
            "record 1: found 2 labels; expected 1",
        ),
    ],
)
def test_records_that_do_not_fit(tmp_path: Path, examples: tuple[bytes, ...], message: str) -> None:
    """The error names the record."""
    with pytest.raises(ContractError, match=message):
        read_rows(channel(tmp_path, "recordio-protobuf", a=frames(*examples)), RULE)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("text/csv", b"1,2\n3,4\n"),
        ("text/libsvm", b"1 0:2\n3 0:4\n"),
        ("recordio-protobuf", frames(write_example([2.0], 1), write_example([4.0], 3))),
    ],
)
def test_pipe_mode(tmp_path: Path, content_type: str, data: bytes) -> None:
    """The first epoch's FIFO is read to its end."""
    found = channel(tmp_path, content_type, "Pipe")
    os.mkfifo(f"{found.path}_0")
    writer = threading.Thread(target=Path(f"{found.path}_0").write_bytes, args=(data,))
    writer.start()
    rows = rows_of(found, wait=30)
    writer.join(30)
    features = rows.features.toarray() if hasattr(rows.features, "toarray") else rows.features
    assert (features.tolist(), rows.labels.tolist()) == ([[2], [4]], [1, 3])
