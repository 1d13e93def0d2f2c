"""`application/x-npy`."""

from __future__ import annotations

import io
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlberth_serve.codecs.npy import decode, encode
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import parse_content_type

NPY = parse_content_type("application/x-npy")


def saved(array: object) -> bytes:
    """Return what numpy.save writes for an array."""
    file = io.BytesIO()
    np.save(file, np.asarray(array), allow_pickle=True)
    return file.getvalue()


def with_header(header: str, data: bytes = b"") -> bytes:
    """Return an .npy file of version 1 with a header of our own."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array(5.0),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.zeros((0, 3)),
    ],
)
def test_arrays_come_back_in_their_type(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    """Shape, values and type are kept; byte order becomes the machine's, and the array is writable."""
    result = decode(saved(array), NPY).array
    np.testing.assert_array_equal(result, array)
    assert result.dtype == array.dtype.newbyteorder("=")
    assert result.flags.writeable


BAD = {
    "not npy": b"1,2,3",
    "pickle": pickle.dumps([1, 2, 3]),
    "objects": saved(np.array([{"a": 1}, None], dtype=object)),
    "structured": saved(np.zeros(1, dtype=[("a", "f8")])),
    "cut off": saved([1.0, 2.0])[:-1],
    "too long": saved([1.0, 2.0]) + b"x",
    "version 9": b"\x93NUMPY\x09\x00" + saved([1.0])[8:],
    "header cut off": saved([1.0])[:20],
    "huge shape": with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (134217728,), }", b"\0" * 8),
    "overflowing shape": with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (2**62, 4), }"),
    "negative shape": with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
    "two negatives": with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", b"\0" * 8),
    "items of no size": with_header("{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "shape that is no tuple": with_header(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1), }", b"\0" * 8
    ),
    "size of a leading zero": with_header(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (01,), }", b"\0" * 8
    ),
    "type that is none": with_header("{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", b"\0" * 3),
    "text of 4 GB": with_header("{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,), }"),
    "header not Python": with_header("{'descr': "),
    "header of code": with_header("__import__('os').getcwd()"),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_bad_files_are_refused_without_allocating(body: bytes) -> None:
    """Objects, damage and headers that lie are 400; no more memory is taken than the body's order."""
    tracemalloc.start()
    try:
        with pytest.raises(BadRequestError):
            decode(body, NPY)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [
        "{'shape': (2,), 'fortran_order': False, 'descr': '<f8'}",
        "{'descr': 'float64', 'fortran_order': False, 'shape': (2,), }",
        '{"descr": "<f8", "fortran_order": False, "shape": (2,)}',
    ],
)
def test_header_of_another_form_is_read(header: str) -> None:
    """What other programs than numpy write as the same Python text is read as numpy reads it."""
    data = np.array([1.5, -2.0])
    np.testing.assert_array_equal(decode(with_header(header, data.tobytes()), NPY).array, data)


def test_body_that_may_be_written_to_is_not_copied() -> None:
    """The array lies in the body where that is the caller's own memory, and never in immutable bytes."""
    data = np.arange(4.0)
    body = memoryview(bytearray(saved(data)))
    array = decode(body, NPY).array
    array[0] += 1
    np.testing.assert_array_equal(decode(bytes(body), NPY).array, array)
    frozen = bytes(body)
    decode(frozen, NPY).array[:] = 0
    assert frozen == bytes(body)


@given(
    hnp.arrays(
        st.sampled_from(["<f8", ">f4", "|b1", "<i8", "|u1", "<U3", "|S2", "<f2"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.booleans(),
)
@settings(deadline=None)
def test_files_are_numpys(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], fortran: bool) -> None:
    """What is written is what numpy.save writes, to the byte, and what is read what numpy.load reads.

    It is in the machine's byte order.
    """
    array = np.asfortranarray(array) if fortran else array
    body = encode(array)
    assert body == saved(array.astype(array.dtype.newbyteorder("=")))
    np.testing.assert_array_equal(decode(body, NPY).array, np.load(io.BytesIO(body)))
