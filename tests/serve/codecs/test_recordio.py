"""`application/x-recordio-protobuf` both ways."""

from __future__ import annotations

import struct
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlberth.protobuf import write_bytes, write_varint
from mlberth_serve.codecs import recordio
from mlberth_serve.codecs.protobuf import read_varints
from mlberth_serve.errors import BadRequestError, RequestError
from mlberth_serve.media_types import RECORDIO, parse_content_type

sparse = pytest.importorskip("scipy.sparse")

MAGIC = b"\x0a\x23\xd7\xce"
# [[1.5, 2.0]] as sagemaker-containers and its protobuf library write it, float32.
PEERS = (
    MAGIC + struct.pack("<I", 24) + bytes.fromhex("0a16 0a06 76616c756573 120c 120a 0a08 0000c03f 00000040")
)


def decode(body: bytes) -> Any:
    """Read a body."""
    return recordio.decode(body, parse_content_type(RECORDIO)).array


def frame(record: bytes) -> bytes:
    """Put a record into a frame."""
    return MAGIC + struct.pack("<I", len(record)) + record + bytes(-len(record) % 4)


def body_of(tensor: bytes, number: int = 2, name: bytes = b"values") -> bytes:
    """Return a body of one record with one tensor."""
    return frame(write_bytes(1, write_bytes(1, name) + write_bytes(2, write_bytes(number, tensor))))


def test_bytes_are_the_peers() -> None:
    """A float32 row is written and read byte for byte as by the platform's own library."""
    row = np.array([[1.5, 2.0]], dtype=np.float32)
    assert recordio.encode(row) == PEERS
    np.testing.assert_array_equal(decode(PEERS), row)
    assert decode(PEERS).dtype == np.float32


NUMBERS = st.one_of(st.just(np.dtype(np.float32)), st.just(np.dtype(np.float64)), st.just(np.dtype(np.int32)))


@given(hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)))
def test_reads_back_what_it_wrote(array: Any) -> None:
    """Every array of a tensor's types comes back the same, in its own type."""
    again = decode(recordio.encode(array))
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again, array)


@given(hnp.arrays(np.float64, (4, 3), elements=st.sampled_from([0.0, 1.5])))
def test_sparse_rows_read_back(array: Any) -> None:
    """A sparse matrix comes back as one, of the same width, empty rows included."""
    again = decode(recordio.encode(sparse.csr_matrix(array)))
    assert sparse.issparse(again)
    np.testing.assert_array_equal(again.toarray(), array)


def test_predictions_are_a_record_each() -> None:
    """One dimension is a value a record."""
    assert decode(recordio.encode([1, 2, 3])).tolist() == [[1], [2], [3]]


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_varints_are_read(numbers: list[int]) -> None:
    """Every number of 64 bits is read from its varint."""
    assert read_varints(memoryview(b"".join(map(write_varint, numbers)))).tolist() == numbers


def test_unpacked_values_are_read() -> None:
    """Repeated fields that are not packed mean the same as packed ones."""
    tensor = b"\x0d" + struct.pack("<f", 1.5) + b"\x0d" + struct.pack("<f", 2.0)
    assert decode(body_of(tensor)).tolist() == [[1.5, 2.0]]
    assert decode(body_of(b"\x08\x01\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 7)).tolist() == [[1, -1]]


def test_labels_and_unknown_fields_are_left_out() -> None:
    """What is not a feature called `values` does not matter."""
    label = write_bytes(2, write_bytes(1, b"values") + write_bytes(2, write_bytes(2, b"")))
    uid = write_bytes(3, b"one")
    assert decode(frame(label + uid + PEERS[8:32])).tolist() == [[1.5, 2.0]]


def sparse_body(keys: list[int], width: int | None) -> bytes:
    """Return one sparse float32 row of ones."""
    tensor = write_bytes(1, struct.pack("<f", 1) * len(keys))
    tensor += write_bytes(2, b"".join(map(write_varint, keys)))
    return body_of(tensor + (b"" if width is None else write_bytes(3, write_varint(width))))


BAD = {
    "not recordio": b"1,2,3\n",
    "shorter than a head": MAGIC,
    "shorter than it says": MAGIC + struct.pack("<I", 100) + b"abc",
    "size of 4 GB": MAGIC + b"\xff\xff\xff\xff" + b"abc",
    "no record": b"",
    "empty record": frame(b""),
    "no values": body_of(b"", name=b"other"),
    "bytes for numbers": body_of(b"abc", 9),
    "half a float": body_of(write_bytes(1, b"abc")),
    "group": frame(b"\x0b\x0c"),
    "varint without end": frame(b"\xff" * 12),
    "field longer than the record": frame(b"\x0a\x7fabc"),
    "rows of two lengths": body_of(write_bytes(1, bytes(4))) + body_of(write_bytes(1, bytes(8))),
    "key beyond the width": sparse_body([5], 5),
    "key of 2^63": sparse_body([2**63], None),
    "width of 2^60": sparse_body([0], 2**60),
    "key twice": sparse_body([1, 1], 5),
    "widths that differ": sparse_body([1], 5) + sparse_body([1], 6),
    "more keys than values": body_of(write_bytes(1, bytes(4)) + write_bytes(2, b"\x00\x01")),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_body_is_refused(body: bytes) -> None:
    """A body that contradicts itself is 400, and nothing is allocated on its word."""
    with pytest.raises(BadRequestError):
        decode(body)


def test_wide_sparse_row_takes_no_memory() -> None:
    """The widest row is as small as its cells."""
    assert decode(sparse_body([7], 2**31 - 1)).shape == (1, 2**31 - 1)


@pytest.mark.parametrize("value", [["a"], [2**40], np.zeros((1, 1, 1)), [1j]])
def test_what_does_not_fit_is_the_handlers_fault(value: Any) -> None:
    """Text, numbers beyond 32 bits and a third dimension have no place in a tensor."""
    with pytest.raises((TypeError, ValueError)):
        recordio.encode(value)


@given(
    hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=2, max_dims=2, max_side=5)),
    st.binary(max_size=3),
    st.data(),
)
def test_records_that_are_alike_are_read_as_one_by_one(array: Any, label: bytes, data: st.DataObject) -> None:
    """Whether records are read at once or each by itself, what is read and what is refused is the same."""
    body = b"".join(
        frame(
            write_bytes(1, write_bytes(1, b"values") + write_bytes(2, recordio.write_tensor(row)))
            + write_bytes(2, label)
        )
        for row in array
    )
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=2)):
        body = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    found: list[Any] = []
    for alike in (recordio._read_alike, lambda _: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recordio, "_read_alike", alike)
            try:
                rows = decode(body)
                rows = rows.toarray() if sparse.issparse(rows) else rows
                found.append((rows.dtype, rows.shape, rows.tobytes()))
            except BadRequestError as error:
                found.append(error.message)
    assert found[0] == found[1]


def test_many_records_are_refused_uncounted() -> None:
    """Each takes memory, however little it holds: too many of them are 413."""
    body = body_of(write_bytes(1, b"")) * 600_000
    with pytest.raises(RequestError) as caught:
        decode(body)
    assert caught.value.status == 413
