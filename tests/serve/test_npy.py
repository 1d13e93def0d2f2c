"""`application/x-npy`."""

from __future__ import annotations

import io
import pickle
import tracemalloc

import numpy as np
import pytest

from mlberth_serve.codecs.npy import decode
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
